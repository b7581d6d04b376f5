"""What a training step minimizes: cross-entropy with label smoothing and, if set, R-Drop's consistency."""

from torch import Tensor
from torch.nn import functional

from service.tasks.translation.subwords import PAD
from training.common.objective import Objective
from training.common.precision import mixed
from training.seq2seq.config import TranslatorConfig
from training.seq2seq.data.batches import Batch, twice
from training.seq2seq.loss import consistency_loss, smoothed_cross_entropy
from training.seq2seq.network.model import Seq2Seq

_ROWS = 128
"""The output layer's input is padded to a multiple of this. oneDNN compiles a product for each number of rows and keeps
a thousand of them, with which a process grew to gigabytes."""


class TranslatorObjective(Objective[Seq2Seq, TranslatorConfig]):
    """The loss of a batch of sentence pairs."""

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """What is minimized, and the cross-entropy in it, both summed over the target tokens."""
        config = self._config
        if config.consistency:
            batch = twice(batch)
        mask = batch.target != PAD
        targets = batch.target[mask]
        with mixed(targets.device, self._precision):
            readouts = self.network(batch.source, batch.lengths, batch.decoder_input)[mask]
            readouts = functional.pad(readouts, (0, 0, 0, -len(targets) % _ROWS))
            scores = self.network.output(readouts)[: len(targets)]
        loss = smoothed_cross_entropy(scores, targets, config.label_smoothing)
        total = loss + config.consistency * consistency_loss(scores) if config.consistency else loss
        return total, loss.detach()
