"""Learning from the probabilities of other networks, the teachers, beside the labels.

Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.common.precision import mixed, pick_precision
from training.common.run import Run
from training.lenet.config import LenetConfig, stored_config, teacher_runs
from training.lenet.weights import build_model, load_weights


class Teacher(nn.Module):
    """One or several trained networks, of which the mean probabilities count."""

    def __init__(self, config: LenetConfig, classes: int, device: torch.device) -> None:
        """Load the networks of the runs that `config.teacher` names.

        Raises:
            RunError, CheckpointError: there is no such run, or it kept no weights.
            ConfigError: it has another number of labels, or its number format does not exist on this device.
        """
        super().__init__()
        self.temperature = config.temperature
        self.device = device
        self.networks = nn.ModuleList()
        self.precisions: list[torch.dtype] = []
        for path in teacher_runs(config):
            settings = stored_config(Run(path))
            network = build_model(settings, classes)
            load_weights(path, network, "--teacher")
            self.networks.append(network)
            self.precisions.append(pick_precision(settings.precision, device, "none"))
        self.to(device).to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]  # missing in torch

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """The mean probabilities [B, classes] at the temperature, of images [B, 1, 28, 28] in 0..1."""
        total = torch.zeros((), device=self.device)
        for network, precision in zip(self.networks, self.precisions, strict=True):
            with mixed(self.device, precision):
                scores = network(images)
            total = total + (scores.float() / self.temperature).softmax(1)
        return total / len(self.networks)


def distillation_loss(scores: Tensor, labels: Tensor, targets: Tensor, config: LenetConfig) -> Tensor:
    """The mean loss of a batch: that of the labels and that of the teachers, by `config.teacher_weight` (section 2).

    Args:
        scores: logits of the network, [B, classes].
        labels: true classes, [B].
        targets: the teachers' probabilities at `config.temperature`, [B, classes].
        config: the settings of the run.
    """
    softened = functional.cross_entropy(scores / config.temperature, targets)
    # Gradients of softened probabilities shrink with the square of the temperature.
    softened = softened * config.temperature**2
    true = functional.cross_entropy(scores, labels, label_smoothing=config.label_smoothing)
    return config.teacher_weight * softened + (1 - config.teacher_weight) * true
