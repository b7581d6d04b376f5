"""What a tagger's weights come from: whether they may be given away, to whom they owe thanks, with which settings."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from service.bundle.files import MANIFEST
from training.bilstm_crf.config import DataConfig, TaggerConfig
from training.bilstm_crf.data.dataset import TaggedData
from training.bilstm_crf.data.sources import load_data
from training.common.config import to_dict
from training.common.errors import ExportError
from training.common.run import CONFIG

_KNOWN_TEXTS = {
    "wikipedia-en-2015": "articles of the English Wikipedia of 2015 (Wikipedia contributors, CC BY-SA 3.0)",
    "text8": "text8, articles of the English Wikipedia of 2006 (Wikipedia contributors, CC BY-SA 3.0)",
}


def helping_data(config: TaggerConfig) -> TaggedData | None:
    """The set whose auxiliary column was learnt beside, where it is another one."""
    known, colon, _ = config.auxiliary.rpartition(":")
    return load_data(DataConfig(data=known)) if colon else None


def check_shippable(data: TaggedData, helping: TaggedData | None) -> None:
    """Refuse data of which no model may be given away: what lies in a model repository is.

    Raises:
        ExportError: naming the data.
    """
    for used in filter(None, (data, helping)):
        if not used.shippable:
            raise ExportError(
                f"{used.name} is {used.licence}: a model trained on it may be measured but not given away, and that is "
                "what a bundle is for. Train with --data uner-ewt+btc+wnut17, or on your own files with --train"
            )


def attribution(config: TaggerConfig, data: TaggedData, helping: TaggedData | None) -> str:
    """To whom the weights are owed: the data's makers, and those of what the word vectors were trained on."""
    owed = [data.attribution, helping.attribution if helping else ""]
    owed += [f"word vectors from {text}" for text in vectors_data(config)]
    return "; ".join(dict.fromkeys(filter(None, owed)))


def public_config(config: TaggerConfig) -> dict[str, Any]:
    """The settings without the folders that data and vectors lie in; with what the vectors come from."""
    settings = to_dict(config)
    for split in ("train", "dev", "test"):
        settings["data"][split] = Path(settings["data"][split]).name
    if config.network.vectors:
        settings["network"]["vectors"] = ",".join(path.name for path in _paths(config))
        settings["network"]["vectors_data"] = "; ".join(vectors_data(config))
    return settings


def vectors_data(config: TaggerConfig) -> list[str]:
    """What text each of the vectors comes from, where that is known; else the name of their file."""
    return list(dict.fromkeys(_text_of(path) for path in _paths(config)))


def _paths(config: TaggerConfig) -> Iterable[Path]:
    return [Path(part.strip()) for part in config.network.vectors.split(",") if part.strip()]


def _text_of(path: Path) -> str:
    try:
        if (path / CONFIG).is_file():
            name = Path(json.loads((path / CONFIG).read_text(encoding="utf-8"))["config"]["data"]).name
            return _KNOWN_TEXTS.get(name, name)
        if (path / MANIFEST).is_file():
            source = json.loads((path / MANIFEST).read_text(encoding="utf-8"))["provenance"]
            return f"{source['data']} ({source['attribution'] or 'no attribution'})"
    except (OSError, ValueError, KeyError, TypeError):
        pass  # moved or changed since it was read for training
    return path.name
