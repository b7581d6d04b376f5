"""Model card of a LeNet bundle."""

from pathlib import Path
from typing import Any

from service.bundle.manifest import Manifest
from training.lenet.config import LenetConfig, teacher_runs
from training.lenet.data.dataset import ImageData

# ruff: noqa: E501  - a row of a table is one line
_CARD = """\
# {name}

{description}

| | |
|---|---|
| Task | {task} |
| Labels | {labels} |
| Network | LeNet-5 (LeCun, Bottou, Bengio, Haffner 1998, section II.B){width}: {activation} units, {pooling} pooling, {connections} connections from S2 to C3, {output} output; {parameters:,} parameters |
| Input | gray images of 28x28, 0 = paper to 1 = ink; pictures of any size are normalized (`{normalizer}`) before |
| Output | one probability per label |
| Licence of the weights | {licence} |
| Attribution | {attribution} |

## Accuracy

| data | errors | accuracy |
|---|---|---|
{results}

{epoch_note}

## How it was trained

* Data: {data}: {train:,} training images, {dev:,} held out to select the epoch and the settings.
{notes}* {epochs} epochs, batches of {batch_size}, AdamW with weight decay {weight_decay:g},
  {schedule} learning rate up to {learning_rate:g}, {smoothing}moving average of the weights (decay {ema:g}), seed {seed}.
* Data augmentation: {distortions}.
{origin}* Libraries: {libraries}.

## Limitations

The model knows its {classes} labels only: a picture of anything else gets one of them too, often with a high score. It
reads one character per image; several in one picture are read as one. It was trained on {data}: accuracy is lower on
other handwriting, and on pictures whose normalization fails.{polarity}
"""

_POLARITY = """
Pictures are taken whole: those with another polarity (dark on light, light on dark) or other margins than the training
images are read worse."""

_DISTORTIONS = {
    "rotation": "rotation up to {:g} degrees",
    "shear": "shear up to {:g}",
    "scale": "scale up to {:.0%}",
    "aspect": "aspect ratio up to {:.0%}",
    "shift": "shift up to {:g} pixels",
    "elastic": "elastic displacement of {:g} pixels (Simard et al. 2003)",
    "stroke": "stroke width up to {:.0%} of a pixel on each side",
    "low_resolution": "lower resolution for {:.0%} of the images",
    "blur": "blur for {:.0%}",
    "contrast": "contrast up to {:.0%}",
    "weak_augment_fraction": "half the geometric distortion in the last {:.0%} of the epochs",
}


def model_card(
    manifest: Manifest, config: LenetConfig, data: ImageData, *, parameters: int, evaluations: dict[str, Any]
) -> str:
    """The text of MODEL_CARD.md; all figures are from the run that trained the weights."""
    source = manifest.provenance
    return _CARD.format(
        name=manifest.name,
        description=manifest.description,
        task=manifest.task,
        labels=", ".join(data.labels),
        width="" if config.width == 1 else f", {config.width} times as wide",
        activation=config.activation,
        pooling=config.pooling,
        connections=config.connections,
        output=config.output,
        parameters=parameters,
        normalizer=config.normalizer,
        licence=source.licence,
        attribution=source.attribution or "none",
        results=_results(evaluations, data),
        epoch_note=_epoch_note(evaluations, config),
        data=source.data,
        notes="".join(f"* {note.removeprefix('note: ')}\n" for note in data.notes),
        polarity=_POLARITY if config.normalizer == "fit" else "",
        train=len(data.train),
        dev=len(data.dev),
        epochs=config.epochs,
        batch_size=config.batch_size,
        weight_decay=config.weight_decay,
        schedule=config.schedule,
        learning_rate=config.learning_rate,
        smoothing=f"label smoothing {config.label_smoothing:g}, " if config.output == "softmax" else "",
        ema=config.ema,
        seed=config.seed,
        distortions=_distortions(config),
        origin=_origin(config),
        libraries=", ".join(f"{name} {version}" for name, version in source.libraries.items()),
        classes=len(data.labels),
    )


def _results(evaluations: dict[str, Any], data: ImageData) -> str:
    """Rows of the table of results."""
    names = {"dev": "held-out training images", "test": "test images"}
    return "\n".join(
        f"| {data.name}, {result['images']:,} {names[split]} | {result['errors']} | {result['accuracy']:.2%} |"
        for split, result in evaluations.items()
    )


def _epoch_note(evaluations: dict[str, Any], config: LenetConfig) -> str:
    """How the epoch was selected."""
    epoch = evaluations["dev"]["epoch"]
    if config.select == "last":
        return f"The weights are those after epoch {epoch} of {config.epochs}."
    return (
        f"The weights are those after epoch {epoch} of {config.epochs}, the one with the fewest errors on the held-out "
        "images, so the figure on those is slightly optimistic."
    )


def _origin(config: LenetConfig) -> str:
    """The runs that the initial weights are from and that it learned from; empty for none."""
    lines = ""
    if config.init:
        name = Path(config.init).name
        lines += f"* Initial weights: those of the run `{name}`, whose settings are in the manifest (`init_config`).\n"
    if config.teacher:
        names = ", ".join(f"`{path.name}`" for path in teacher_runs(config))
        lines += (
            f"* Distilled (Hinton et al. 2015) from the mean probabilities of the runs {names}, whose settings are in "
            f"the manifest (`teacher_configs`): {config.teacher_weight:.0%} of the loss, at temperature "
            f"{config.temperature:g}.\n"
        )
    return lines


def _distortions(config: LenetConfig) -> str:
    """The distortions that are enabled."""
    used = [
        text.format(getattr(config.augment, name))
        for name, text in _DISTORTIONS.items()
        if getattr(config.augment, name)
    ]
    return ", ".join(used) if used and config.augment.augment else "none"
