"""What a training step of a tagger minimizes: the loss of its labels and, if set, of an auxiliary column."""

from collections.abc import Mapping

from torch import Tensor

from training.bilstm_crf.config import TaggerConfig
from training.bilstm_crf.network.model import BiLstmCrf
from training.common.objective import Objective
from training.common.precision import mixed


class TaggerObjective(Objective[BiLstmCrf, TaggerConfig]):
    """The mean loss of a batch's sentences."""

    def forward(self, arrays: Mapping[str, Tensor], labels_TB: Tensor, auxiliary_TB: Tensor) -> Tensor:
        """The loss of a batch, whose inputs, labels and auxiliary labels are those of `tensors`."""
        with mixed(labels_TB.device, self._precision):
            states = self.network.states_TBF(**arrays)
            loss = self.network.loss(states, labels_TB, arrays["lengths"])
            if self._config.auxiliary:
                auxiliary_loss = self.network.auxiliary_loss(states, auxiliary_TB, arrays["lengths"])
                loss = loss + self._config.auxiliary_weight * auxiliary_loss
        return loss
