"""The beginning of a run (`--init`): vocabularies, settings and weights of an earlier run or of an exported bundle."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from service.bundle.files import MANIFEST, Bundle, BundleError, read_bundle, versions
from service.bundle.manifest import Task
from service.decoding.graph_io import ENCODER, STEP
from service.tasks.translation.subwords import UNKNOWN, Subwords
from service.tasks.translation.text import TranslationPreprocessing
from training.common.checkpoint import load_checkpoint
from training.common.config import differences, from_dict, to_dict
from training.common.errors import ConfigError
from training.common.files import write_bytes
from training.common.run import Run
from training.seq2seq.config import FAMILY, TranslatorConfig, stored_config
from training.seq2seq.data.dataset import ParallelData
from training.seq2seq.export.dequantize import load_graph_weights
from training.seq2seq.network.model import Seq2Seq
from training.seq2seq.translator import BEST, JOINT, SOURCE, TARGET, with_typed_placeholders

_EARLIER_SETTINGS, _ADDED_SETTINGS = "begun_with", ("epoch", "weights")
"""What an export adds to the settings in the manifest."""


_BY_PIECE = ("source_embedding.weight", "target_embedding.weight", "output.weight", "output.bias")
"""Weights that have a row for each piece of a vocabulary."""


class Initial(NamedTuple):
    """Where a run begins."""

    config: TranslatorConfig
    """Settings of the run or bundle."""
    weights: dict[str, Tensor]
    """Weights of its network by name."""
    languages: tuple[str, str]
    """Source and target."""
    data_sha256: str | None
    """Hash of its data; None for a bundle, which does not keep it."""


def is_bundle(path: Path) -> bool:
    """Whether a path is the folder of a bundle's version."""
    return (path / MANIFEST).is_file()


def initial_name(init: str) -> str:
    """The name of a run, or name and version of a bundle, without the folders that it lies in."""
    path = Path(init)
    return f"{path.parent.name}/{path.name}" if is_bundle(path) else path.name


def initial_config(init: str) -> TranslatorConfig:
    """The settings of an earlier run or of an exported bundle.

    Raises:
        ConfigError: the bundle cannot be read or is no translator of this project.
        RunError: there is no run.
    """
    path = Path(init)
    return bundle_settings(init)[0][1] if is_bundle(path) else stored_config(_open_run(path))


def bundle_settings(init: str) -> list[tuple[str, TranslatorConfig]]:
    """Names and settings of a bundle and of the runs that it was initialized from, the latest first.

    Raises:
        ConfigError: the bundle cannot be read or is no translator of this project.
    """
    return _settings(_open_bundle(init), initial_name(init), where=f"--init {init}")


def _settings(bundle: Bundle, name: str, *, where: str) -> list[tuple[str, TranslatorConfig]]:
    settings = dict(bundle.manifest.provenance.config)
    earlier: Any = settings.pop(_EARLIER_SETTINGS, [])
    for added in _ADDED_SETTINGS:
        settings.pop(added, None)
    result = []
    for values in [settings, *(earlier if isinstance(earlier, list) else [earlier])]:
        try:
            config = from_dict(TranslatorConfig, values, where=f"{where}: the settings in its {MANIFEST}")
        except TypeError as error:
            raise ConfigError(f"{where}: the settings in its {MANIFEST} are not those of a translator") from error
        result.append((name, config))
        name = config.init
    return result


def bundle_attribution(init: str) -> str:
    """The attribution of the data that a bundle was trained on."""
    return _open_bundle(init).manifest.provenance.attribution


def copy_vocabularies(init: str, run: Run, config: TranslatorConfig) -> None:
    """Copy the vocabularies of an earlier run or of a bundle into a run, with typed placeholders if it has them.

    Raises:
        ConfigError: there are none, or joint ones where this run has separate ones or vice versa.
    """
    names = {JOINT} if config.subwords.joint else {SOURCE, TARGET}
    try:
        models = {name: (Path(init) / name).read_bytes() for name in names}
    except OSError as error:
        raise ConfigError(
            f"--init {init}: has no {error.filename and Path(error.filename).name} to go on with"
        ) from error
    for name, model in models.items():
        write_bytes(run.path / name, with_typed_placeholders(model) if config.rare_words else model)


def read_initial(init: str) -> Initial:
    """Read the kept weights of an earlier run, or those of a bundle.

    Raises:
        ConfigError: the bundle cannot be read or is no translator of this project.
        CheckpointError: the run has no weights.
    """
    if is_bundle(Path(init)):
        return _read_bundle(init)
    stored = load_checkpoint(Path(init) / "checkpoints" / BEST)
    return Initial(
        config=stored_config(_open_run(Path(init))),
        weights=stored["model"],
        languages=(stored["languages"][0], stored["languages"][1]),
        data_sha256=stored["config"].get("data_sha256"),
    )


def load_initial(init: str, network: Seq2Seq, data: ParallelData, config: TranslatorConfig) -> bool:
    """Set a network's weights to those of an earlier run or bundle; returns whether that had the same training pairs.

    Args:
        init: folder of the run or bundle.
        network: the new network.
        data: the pairs of the new run.
        config: settings of the new run.

    Raises:
        ConfigError: it translates other languages or has another network.
    """
    initial, kind = read_initial(init), "bundle" if is_bundle(Path(init)) else "run"
    if initial.languages != (data.source, data.target):
        raise ConfigError(
            f"--init {init}: that {kind} translates {' to '.join(initial.languages)}, not these languages"
        )
    changed = differences(*(_architecture(one, config) for one in (initial.config, config)))
    if changed:
        raise ConfigError(
            f"--init {init}: that {kind} has another network; leave out the settings of the network "
            f"({'; '.join(changed)})"
        )
    network.encoder.clear_layers_from(initial.config.network.encoder_layers)
    weights = {name: _with_added_rows(name, initial.weights, network) for name in initial.weights}
    network.load_state_dict(network.state_dict() | weights)
    if initial.data_sha256 is None:
        return bool(config.data.data) and initial.config.data == config.data
    return initial.data_sha256 == data.sha256()[:16]


def _with_added_rows(name: str, weights: Mapping[str, Tensor], network: Seq2Seq) -> Tensor:
    """Weights with a row for each piece that the vocabulary has got at its end: a copy of UNKNOWN's."""
    values, size = weights[name], len(network.state_dict()[name])
    if name in _BY_PIECE and size > len(values):
        values = torch.cat([values, values[UNKNOWN : UNKNOWN + 1].expand(size - len(values), *values.shape[1:])])
    return values


def _architecture(config: TranslatorConfig, new: TranslatorConfig) -> dict[str, Any]:
    """The settings that decide what the weights mean: all of the network but its dropout.

    The encoder of the new network may be deeper, as layers between residual connections can start as ones that add
    nothing.
    """
    values = {name: value for name, value in to_dict(config.network).items() if "dropout" not in name}
    earlier, later = config.network, new.network
    if (later.residual or later.encoder_residual) and earlier.encoder_layers <= later.encoder_layers:
        values["encoder_layers"] = later.encoder_layers
        if earlier.encoder_layers == 1 or earlier.residual:  # there is nothing to connect, or it is connected already
            values["encoder_residual"] = later.encoder_residual
    return values


def _open_run(path: Path) -> Run:
    """The run of a folder; a model's folder is refused with its versions."""
    numbers = versions(path) if path.is_dir() else []
    bundles = [str(path / str(version)) for version in numbers if is_bundle(path / str(version))]
    if bundles:
        raise ConfigError(f"--init {path}: is a model; name one of its versions: {', '.join(bundles)}")
    return Run.open(path, family=FAMILY)


def _open_bundle(init: str) -> Bundle:
    """The verified bundle of a translator."""
    try:
        bundle = read_bundle(Path(init).resolve())
    except BundleError as error:
        raise ConfigError(f"--init {error}") from error
    manifest = bundle.manifest
    if manifest.task is not Task.TRANSLATION or not {ENCODER, STEP} <= set(manifest.graphs):
        raise ConfigError(
            f"--init {init}: is a bundle of the task {manifest.task.value}, not a translator with the graphs {ENCODER} "
            f"and {STEP}; name a translator"
        )
    return bundle


def _read_bundle(init: str) -> Initial:
    """The weights of a bundle, from its graphs."""
    bundle = _open_bundle(init)
    config = bundle_settings(init)[0][1]
    network, preprocessing = _read_network(bundle, config, where=f"--init {init}")
    return Initial(config, network.state_dict(), (preprocessing.source, preprocessing.target), None)


def read_network(bundle: Bundle) -> Seq2Seq:
    """The network of a translator's bundle, with the weights of its graphs.

    Raises:
        ConfigError: settings, vocabularies or graphs are not those of a translator of this project.
    """
    where = str(bundle.path)
    return _read_network(bundle, _settings(bundle, bundle.manifest.name, where=where)[0][1], where=where)[0]


def _read_network(bundle: Bundle, config: TranslatorConfig, *, where: str) -> tuple[Seq2Seq, TranslationPreprocessing]:
    try:
        preprocessing = TranslationPreprocessing.model_validate(bundle.manifest.preprocessing)
        sizes = [
            Subwords.read(bundle.file(name)).size for name in (preprocessing.source_pieces, preprocessing.target_pieces)
        ]
    except ValueError as error:
        raise ConfigError(f"{where}: {str(error).partition(chr(10))[0]}") from error
    network = Seq2Seq(config, *sizes)
    graphs = bundle.manifest.graphs
    load_graph_weights(network, bundle.file(graphs[ENCODER].file), bundle.file(graphs[STEP].file))
    return network, preprocessing
