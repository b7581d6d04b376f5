"""Configuration of a LeNet run."""

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from training.common.config import doc, from_dict
from training.common.errors import ConfigError
from training.common.precision import Precision
from training.common.run import Run
from training.lenet.network.model import Activation, Connections, Output, Pooling

FAMILY = "lenet"

Schedule = Literal["one-cycle", "cosine"]
Normalizer = Literal["mnist", "fit"]
Select = Literal["best", "last"]


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Data augmentation of the training images; 0 disables a distortion, `--no-augment` disables all."""

    augment: bool = field(default=True, metadata=doc("distort the training images, differently in each epoch"))
    rotation: float = field(default=10.0, metadata=doc("rotate by up to this many degrees"))
    shear: float = field(default=0.15, metadata=doc("shear by up to this much (pixels sideways per pixel of height)"))
    scale: float = field(default=0.12, metadata=doc("shrink or enlarge by up to this fraction"))
    aspect: float = field(default=0.08, metadata=doc("change the aspect ratio by up to this fraction"))
    shift: float = field(default=1.5, metadata=doc("shift by up to this many pixels in each direction"))
    elastic: float = field(
        default=0.8, metadata=doc("elastic displacement in pixels (standard deviation; Simard et al. 2003)")
    )
    stroke: float = field(
        default=0.3, metadata=doc("thicken or thin strokes by up to this fraction of a pixel on each side")
    )
    low_resolution: float = field(default=0.05, metadata=doc("fraction of the images whose resolution is reduced"))
    blur: float = field(default=0.05, metadata=doc("fraction of the images that are blurred slightly"))
    contrast: float = field(default=0.1, metadata=doc("make the ink darker or lighter by up to this fraction"))
    weak_augment_fraction: float = field(
        default=0.2,
        metadata=doc("final fraction of the epochs in which the geometric distortion is halved", key="calm"),
    )

    def __post_init__(self) -> None:
        for setting in fields(self):
            if getattr(self, setting.name) < 0:
                raise ConfigError(f"{setting.name} is {getattr(self, setting.name)}; it must not be below 0")
        if self.blur + self.low_resolution > 1:
            raise ConfigError("blur and low_resolution are fractions of one batch; together they must not be above 1")


@dataclass(frozen=True, kw_only=True)
class LenetConfig:
    """Settings of a run: data, network, optimization, augmentation."""

    data: str = field(
        default="mnist", metadata=doc("`mnist`, a folder with idx files, or a folder of class folders with pictures")
    )
    normalizer: Normalizer = field(
        default="mnist",
        metadata=doc(
            "how pictures become 28x28: extract and center the ink as in MNIST, or fit the whole picture",
            key="normaliser",
        ),
    )
    skip_bad: bool = field(default=False, metadata=doc("leave out pictures that cannot be read, and count them"))
    sub_folders: bool = field(
        default=False, metadata=doc("pictures in folders within a class folder belong to the class")
    )
    dev: float = field(
        default=5000.0,
        metadata=doc(
            "number of held-out training images, or a fraction if below 1; of your own data a number is limited to "
            "a tenth"
        ),
    )
    split_seed: int = field(
        default=0, metadata=doc("seed that selects the held-out images of your own data; MNIST holds out its last ones")
    )
    activation: Activation = field(default="relu", metadata=doc("activation function"))
    pooling: Pooling = field(default="max", metadata=doc("how S2 and S4 subsample"))
    connections: Connections = field(
        default="full", metadata=doc("maps of S2 that each map of C3 is connected to: all, or those of Table I")
    )
    output: Output = field(
        default="softmax",
        metadata=doc("output layer and loss: softmax, or the 1998 paper's RBF units and equation 9"),
    )
    width: int = field(
        default=1, metadata=doc("multiply the maps and units of every layer by this; 1 is LeNet-5's own size")
    )
    init: str = field(
        default="",
        metadata=doc("run whose best weights to start from, to fine-tune on other images of the same labels"),
    )
    teacher: str = field(
        default="",
        metadata=doc(
            "runs of the same labels whose mean probabilities to learn from too, with commas between them "
            "(softmax output only; Hinton et al. 2015)"
        ),
    )
    teacher_weight: float = field(
        default=0.9, metadata=doc("share of the teachers in the loss; the labels have the rest")
    )
    temperature: float = field(
        default=2.0, metadata=doc("what the scores of teachers and network are divided by to compare them")
    )
    epochs: int = field(default=50, metadata=doc("passes over the training images"))
    batch_size: int = field(
        default=128, metadata=doc("images per step; fewer on small data sets, so that an epoch has 20 steps")
    )
    learning_rate: float = field(default=4e-3, metadata=doc("peak learning rate of AdamW"))
    weight_decay: float = field(default=0.02, metadata=doc("weight decay of AdamW, on weights but not biases"))
    schedule: Schedule = field(
        default="one-cycle", metadata=doc("learning rate schedule: cosine up and down, or cosine down only")
    )
    label_smoothing: float = field(
        default=0.05, metadata=doc("fraction of the target spread over all classes (softmax output only)")
    )
    ema: float = field(
        default=0.999,
        metadata=doc("decay per step of the moving average of the weights; 0 keeps the last weights"),
    )
    precision: Precision = field(
        default="fp32",
        metadata=doc(
            "number format of the convolutions and matrix products in training; auto: bf16 if the hardware has units "
            "for it, else fp32"
        ),
    )
    select: Select = field(default="best", metadata=doc("keep the epoch with the fewest dev errors, or the last one"))
    seed: int = field(default=0, metadata=doc("seed of all random numbers of the run"))
    augment: AugmentConfig = field(default_factory=AugmentConfig)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "width"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("learning_rate", "dev", "temperature"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be above 0")
        for name in ("ema", "label_smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 0 and below 1")
        if not 0 <= self.teacher_weight <= 1:
            raise ConfigError(f"teacher_weight is {self.teacher_weight}; it must be between 0 and 1")
        if self.width > 1 and (self.connections != "full" or self.output != "softmax"):
            raise ConfigError(
                f"width is {self.width}, but Table I and the bitmaps of --output rbf are for LeNet-5's own size; use "
                "--width 1, or --connections full and --output softmax"
            )
        if self.teacher and self.output != "softmax":
            raise ConfigError("RBF units have no probabilities that a --teacher could teach; use --output softmax")


_LECUN_1998: dict[str, Any] = {
    "activation": "scaled-tanh",
    "pooling": "trainable",
    "connections": "table1",
    "output": "rbf",
    "label_smoothing": 0.0,
    "learning_rate": 2e-3,
}

PRESETS: dict[str, LenetConfig] = {
    "default": LenetConfig(),
    "lecun1998": replace(LenetConfig(), **_LECUN_1998),
    "debug": replace(LenetConfig(), epochs=2, batch_size=16, ema=0.9),
}
"""Starting configurations for `--preset`; options change them."""


def teacher_runs(config: LenetConfig) -> list[Path]:
    """The directories of the runs to learn from."""
    return [Path(name.strip()) for name in config.teacher.split(",") if name.strip()]


def stored_config(run: Run) -> LenetConfig:
    """The configuration that a run was started with."""
    return from_dict(LenetConfig, run.config(FAMILY), where=str(run.path))
