"""What a training step minimizes, as a module, so that DistributedDataParallel can hold it."""

from typing import Generic, TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)
Config = TypeVar("Config")


class Objective(nn.Module, Generic[Network, Config]):
    """The loss of a batch; a family's `forward` computes it.

    Args:
        network: the network that is trained.
        config: settings of the run.
        precision: number format of the matrix products.
    """

    def __init__(self, network: Network, config: Config, precision: torch.dtype) -> None:
        super().__init__()
        self.network = network
        self._config, self._precision = config, precision
