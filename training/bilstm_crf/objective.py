"""What a training step of a tagger minimizes: the loss of its labels and, if set, of an auxiliary column."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from training.bilstm_crf.config import TaggerConfig
from training.bilstm_crf.network.model import BiLstmCrf
from training.common.precision import mixed


class Objective(nn.Module):
    """The mean loss of a batch's sentences, as a module, so that DistributedDataParallel can hold it.

    Args:
        network: the network that is trained.
        config: settings of the run.
        precision: number format of the matrix products.
    """

    def __init__(self, network: BiLstmCrf, config: TaggerConfig, precision: torch.dtype) -> None:
        super().__init__()
        self.network = network
        self._config, self._precision = config, precision

    def forward(self, arrays: Mapping[str, Tensor], labels_TB: Tensor, auxiliary_TB: Tensor) -> Tensor:
        """The loss of a batch, whose inputs, labels and auxiliary labels are those of `tensors`."""
        with mixed(labels_TB.device, self._precision):
            states = self.network.states_TBF(**arrays)
            loss = self.network.loss(states, labels_TB, arrays["lengths"])
            if self._config.auxiliary:
                auxiliary_loss = self.network.auxiliary_loss(states, auxiliary_TB, arrays["lengths"])
                loss = loss + self._config.auxiliary_weight * auxiliary_loss
        return loss
