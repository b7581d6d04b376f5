"""Training and calibration of the familiarity of a LeNet whose weights stay as they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from training.common.seed import derive_seed, generator, seed_everything
from training.lenet.config import AugmentConfig, LenetConfig
from training.lenet.data.augment import Augmenter
from training.lenet.data.dataset import ImageData, Split
from training.lenet.familiarity.calibration import fit_logistic, fit_temperature
from training.lenet.familiarity.glyphs import load_fonts, split_fonts
from training.lenet.familiarity.head import FamiliarityHead, features_of
from training.lenet.familiarity.outliers import Images, OutlierMaker
from training.lenet.network.model import LeNet5

_OUTLIERS = 20_000
"""Outliers to train with, at most; not more than twice the images of the classes."""
_MEMBERS = 16_000
"""Images of the classes in an epoch, at most."""
_PRINTED = 1 / 6
"""Printed images of the classes, as a share of the other images of the classes."""
_EPOCHS = 6
_BATCH = 256
_LEARNING_RATE = 2e-3
_WEIGHT_DECAY = 1e-3
_HELD_OUT_KIND = 500
"""Outliers of each kind to calibrate with, and to evaluate with."""


FEWEST_HELD_OUT = 50
"""Held-out images that it takes to calibrate and evaluate a head."""


@dataclass(frozen=True)
class HeldOut:
    """Images that neither the network nor the head was trained on."""

    members: Mapping[str, tuple[Images, NDArray[np.int64]]]
    """Images of the classes by kind, with their labels."""
    outliers: Mapping[str, Images]
    """Images of no class by kind."""


@dataclass(frozen=True)
class Familiarity:
    """What was fitted, and the images to evaluate it on."""

    head: FamiliarityHead
    temperature: float
    """What the scores are divided by before the softmax."""
    evaluation: HeldOut
    fonts: Mapping[str, Sequence[str]]
    """Groups of fonts by the part that they were used for; empty where no characters were drawn."""


def fit_familiarity(model: LeNet5, config: LenetConfig, data: ImageData, fonts: Path | None) -> Familiarity:
    """Train and calibrate a head for a trained network.

    Half of the held-out images calibrates, the other half evaluates; fonts are divided by family into three parts.

    Args:
        model: the network, in evaluation mode; it is not changed.
        config: the settings of its run.
        data: the data of its run.
        fonts: folder of further fonts.
    """
    parts = split_fonts(load_fonts(fonts))
    maker = {
        part: OutlierMaker(
            data.train if part == "train" else data.dev,
            data.labels,
            config.normalizer,
            files,
            np.random.default_rng(derive_seed(config.seed, "outliers", part)),
        )
        for part, files in parts.items()
    }
    seed_everything(config.seed, "familiarity")
    head = _train(model, config, data, maker["train"])
    calibration, evaluation = (
        _held_out(maker[part], data.dev.take(np.arange(start, len(data.dev), 2)))
        for start, part in enumerate(("calibration", "evaluation"))
    )
    temperature = _calibrate(model, head, calibration)
    used = parts if maker["train"].draws_characters else {}
    groups = {part: sorted({font.group for font in files}) for part, files in used.items()}
    return Familiarity(head, temperature, evaluation, groups)


def _train(model: LeNet5, config: LenetConfig, data: ImageData, maker: OutlierMaker) -> FamiliarityHead:
    """Train a head to tell augmented images of the classes from augmented outliers."""
    outliers = np.concatenate([*maker.training_kinds(min(_OUTLIERS, 2 * len(data.train))).values()])
    printed, _ = maker.printed(round(_PRINTED * min(_MEMBERS, len(data.train))))
    random = generator(config.seed, "familiarity")
    members = data.train.images[torch.randperm(len(data.train), generator=random)[:_MEMBERS].numpy()]
    images = torch.from_numpy(np.concatenate([members, printed, outliers]))[:, None]
    targets = torch.zeros(len(images), 1)
    targets[: len(members) + len(printed)] = 1
    weights = torch.where(targets > 0, 0.5 / targets.mean(), 0.5 / (1 - targets.mean()))
    mild = Augmenter(config.augment, torch.device("cpu"))
    strong = Augmenter(_stronger(config), torch.device("cpu"))
    head = FamiliarityHead(features_of(model, images[:1].float()).shape[1])
    with torch.no_grad():
        sample = torch.randperm(len(images), generator=random)[:4000]
        head.standardize(features_of(model, images[sample].float() / 255))
    optimizer = torch.optim.AdamW(head.parameters(), _LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
    steps = _EPOCHS * -(-len(images) // _BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for epoch in range(_EPOCHS):
        augment = strong if epoch % 2 == 0 else mild
        for batch in torch.randperm(len(images), generator=random).split(_BATCH):
            with torch.no_grad():
                features = features_of(model, augment(images[batch].float() / 255, random))
            loss = functional.binary_cross_entropy_with_logits(head(features), targets[batch], weights[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return head.eval()


def _stronger(config: LenetConfig) -> AugmentConfig:
    """The run's distortions with strokes, sharpness and ink that vary more, as those of other pens and cameras."""
    return replace(config.augment, stroke=1.0, low_resolution=0.25, blur=0.25, contrast=0.3)


def _held_out(maker: OutlierMaker, dev: Split) -> HeldOut:
    printed, labels = maker.printed(_HELD_OUT_KIND)
    members = {"held-out images": (dev.images, dev.labels)}
    if len(printed):
        members["printed"] = (printed, labels)
    return HeldOut(members, maker.evaluation_kinds(_HELD_OUT_KIND))


@torch.no_grad()
def logits_of(model: LeNet5, head: FamiliarityHead, images: Images) -> tuple[Tensor, Tensor]:
    """Scores [N, classes] and the logits of familiarity [N] of images."""
    scores, logits = [], []
    for chunk in torch.from_numpy(images)[:, None].split(1000):
        s4, c5, f6, score = model.layers(chunk.float() / 255)
        scores.append(score)
        logits.append(head(torch.cat([s4, c5, f6], dim=1))[:, 0])
    return torch.cat(scores), torch.cat(logits)


def _calibrate(model: LeNet5, head: FamiliarityHead, held_out: HeldOut) -> float:
    """Set scale and shift of the head so that half of the weight is of members; the temperature of the scores."""
    images, labels = held_out.members["held-out images"]
    temperature = fit_temperature(logits_of(model, head, images)[0], torch.from_numpy(labels))
    members = [logits_of(model, head, images)[1] for images, _ in held_out.members.values()]
    outliers = [logits_of(model, head, images)[1] for images in held_out.outliers.values()]
    groups = members + outliers
    # Targets short of 0 and 1, as in Platt 1999, keep the scale finite where all are told apart.
    target = torch.cat(
        [
            torch.full_like(
                group, (len(group) + 1) / (len(group) + 2) if index < len(members) else 1 / (len(group) + 2)
            )
            for index, group in enumerate(groups)
        ]
    )
    # Every kind counts the same, and members as much as outliers.
    weight = torch.cat(
        [
            torch.full_like(group, 1 / (len(group) * len(members if index < len(members) else outliers)))
            for index, group in enumerate(groups)
        ]
    )
    scale, shift = fit_logistic(torch.cat(groups), target, weight / weight.mean())
    head.scale.fill_(scale)
    head.shift.fill_(shift)
    return temperature
