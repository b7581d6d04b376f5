"""Licensing: whether a tagger may be redistributed, its attribution, and the settings to publish."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from service.bundle.files import MANIFEST
from training.bilstm_crf.config import DataConfig, TaggerConfig
from training.bilstm_crf.data.dataset import TaggedData
from training.bilstm_crf.data.sources import load_data
from training.common.config import to_dict
from training.common.corpora import CORPORA
from training.common.errors import ExportError
from training.common.run import CONFIG


def auxiliary_data_set(config: TaggerConfig) -> TaggedData | None:
    """The data set of the auxiliary column, if it is another one than the main data's."""
    known, colon, _ = config.auxiliary.rpartition(":")
    return load_data(DataConfig(data=known)) if colon else None


def check_redistributable(data: TaggedData, auxiliary: TaggedData | None) -> None:
    """Refuse data whose models may not be published.

    Raises:
        ExportError: naming the data.
    """
    for used in filter(None, (data, auxiliary)):
        if not used.redistributable:
            raise ExportError(
                f"{used.name} is {used.licence}: a model trained on it may be evaluated but not redistributed, so no "
                "bundle can be made. Train with --data uner-ewt+btc+wnut17, or on your own files with --train"
            )


def attribution_of(config: TaggerConfig, data: TaggedData, auxiliary: TaggedData | None) -> str:
    """The attribution of the weights: the makers of the data, and of the corpora of the word vectors."""
    sources = [data.attribution, auxiliary.attribution if auxiliary else ""]
    sources += [f"word vectors from {corpus}" for corpus in vectors_data(config)]
    return "; ".join(dict.fromkeys(filter(None, sources)))


def public_config(config: TaggerConfig) -> dict[str, Any]:
    """The settings without the folders of data and vectors, and with the corpora of the vectors."""
    settings = to_dict(config)
    for split in ("train", "dev", "test"):
        settings["data"][split] = Path(settings["data"][split]).name
    if config.network.vectors:
        settings["network"]["vectors"] = ",".join(map(_name_of, _vector_paths(config)))
        settings["network"]["vectors_data"] = "; ".join(vectors_data(config))
    return settings


def vectors_data(config: TaggerConfig) -> list[str]:
    """The corpus of each of the word vectors, or the name of their file if the corpus is unknown."""
    return list(dict.fromkeys(_corpus_of(path) for path in _vector_paths(config)))


def _vector_paths(config: TaggerConfig) -> Iterable[Path]:
    return [Path(part.strip()) for part in config.network.vectors.split(",") if part.strip()]


def _name_of(path: Path) -> str:
    """The last part of the path; of a bundle its name and version."""
    return f"{path.parent.name}/{path.name}" if (path / MANIFEST).is_file() else path.name


def _corpus_of(path: Path) -> str:
    try:
        if (path / CONFIG).is_file():
            name = Path(json.loads((path / CONFIG).read_text(encoding="utf-8"))["config"]["data"]).name
            return CORPORA[name].citation if name in CORPORA else name
        if (path / MANIFEST).is_file():
            source = json.loads((path / MANIFEST).read_text(encoding="utf-8"))["provenance"]
            return f"{source['data']} ({source['attribution'] or 'no attribution'})"
    except (OSError, ValueError, KeyError, TypeError):
        pass  # moved or changed since the training run read it
    return path.name
