"""`lectern-train <family> convert BUNDLE`: the next version of a bundle with the files that this release would write.

The weights stay as they are, so no run is needed. What a family does is `Family.convert`.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onnx.external_data_helper import ExternalDataInfo, uses_external_data

from service.bundle.files import MANIFEST, MODEL_CARD, SAMPLES, Bundle, BundleError, draft_bundle, read_bundle, versions
from service.bundle.manifest import Graph
from service.bundle.write_errors import attribute_write_errors
from service.output import write
from training.common.errors import ConfigError
from training.common.onnx_models import read_model
from training.common.samples import check_answers

if TYPE_CHECKING:
    from training.common.family import Family


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """The graphs that take the place of those of a bundle, and the files that it gets."""

    graphs: Mapping[str, Graph]
    """All of the bundle's graphs, by name."""
    files: Mapping[str, bytes | Path]
    """Their ONNX files, files of weights that these share, and other files that are new or replaced, by name; content
    too large for memory as the path of a file, which is copied."""
    note: str
    """What the model card says of it, in a sentence."""


def add_convert_command(commands: Any, family: Family[Any, Any]) -> None:
    """Add the command `convert` of a family that can convert."""
    parser = commands.add_parser("convert", help=family.convert_help)
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="the version of a model, as models/NAME/3")
    parser.add_argument(
        "--out", type=Path, metavar="DIR",
        help="the model repository that gets the next version (default: the one that holds BUNDLE)",
    )  # fmt: skip
    parser.set_defaults(command_function=lambda options: convert(family, options))
    family.add_convert_options(parser)


def convert(family: Family[Any, Any], options: argparse.Namespace) -> int:
    """Write the converted bundle as the next version of its model.

    Raises:
        ConfigError: BUNDLE is no bundle of the family, or has nothing to convert.
        ExportError: the converted bundle answers the samples otherwise; nothing is written.
        OSError: the bundle cannot be written; nothing of it is left.
    """
    assert family.convert is not None
    bundle = open_version(options.bundle)
    if bundle.manifest.task is not family.convert_task:
        raise ConfigError(
            f"{bundle.path}: is of the task {bundle.manifest.task}; lectern-train {family.name} converts bundles of "
            f"the task {family.convert_task}"
        )
    repository = options.out or bundle.path.parents[1]
    with _temporary_folder(repository, bundle.manifest.name) as folder:
        try:
            converted = write_converted(bundle, family.convert(bundle, folder), repository)
        except BundleError as error:
            raise ConfigError(f"{error}; nothing was written") from error
    sizes = [sum(path.stat().st_size for path in one.path.iterdir()) for one in (bundle, converted)]
    write(f"wrote {converted.path}: {sizes[1] / 1e6:.2f} MB, {bundle.path} has {sizes[0] / 1e6:.2f} MB")
    return 0


@contextmanager
def _temporary_folder(repository: Path, name: str) -> Iterator[Path]:
    """A folder for large files of the new version of a model, on the file system that gets it; removed at the end."""
    is_new = not repository.exists()
    repository.mkdir(parents=True, exist_ok=True)
    try:
        with (
            tempfile.TemporaryDirectory(prefix=".partial-", dir=repository) as folder,
            attribute_write_errors(repository / name, temporary=Path(folder)),
        ):
            yield Path(folder)
    finally:
        if is_new:
            with suppress(OSError):
                repository.rmdir()  # Succeeds only if nothing was published.


def open_version(path: Path) -> Bundle:
    """The verified bundle in a folder.

    Raises:
        ConfigError: it is none, or a model's folder, whose versions the text names.
    """
    path = path.resolve()
    numbers = versions(path) if path.is_dir() else []
    if numbers and not (path / MANIFEST).exists():
        raise ConfigError(f"{path}: is a model; name one of its versions: {', '.join(map(str, numbers))}")
    try:
        return read_bundle(path)
    except BundleError as error:
        raise ConfigError(str(error)) from error


def write_converted(bundle: Bundle, conversion: Conversion, repository: Path) -> Bundle:
    """Write a bundle with other graphs and files as the next version of its model.

    Raises:
        ExportError: it answers the samples otherwise, for some kind of execution provider; nothing is written.
    """
    manifest = bundle.manifest.model_copy(update={"graphs": dict(conversion.graphs)})
    with draft_bundle(repository, manifest, unchanged_files(bundle) | dict(conversion.files)) as draft:
        check_answers(draft.bundle, bundle.samples())
        name = bundle.manifest.name
        card = (
            f"{bundle.model_card().rstrip()}\n\n## Conversion\n\nConverted from version {bundle.manifest.version} of "
            f"{name}, whose weights it has: {conversion.note}\n"
        )
        return draft.publish(bundle.samples(), card, after=bundle.manifest.version)


def unchanged_files(bundle: Bundle) -> dict[str, bytes | Path]:
    """The files of a bundle, by name, that its next version has too when its graphs, samples and card are new."""
    replaced = _graph_files(bundle) | {SAMPLES, MODEL_CARD}
    return {name: bundle.file(name) for name in bundle.manifest.files if name not in replaced}


def _graph_files(bundle: Bundle) -> set[str]:
    """The ONNX files of a bundle, and the files of weights that they refer to."""
    files = {file for graph in bundle.manifest.graphs.values() for file in graph.files}
    for file in tuple(files):
        model = read_model(bundle.file(file), external_data=False)
        files |= {
            ExternalDataInfo(constant).location for constant in model.graph.initializer if uses_external_data(constant)
        }
    return files
