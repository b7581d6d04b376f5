"""Whether a translator's weights may be given away, and with which settings they were made."""

from pathlib import Path
from typing import Any

from training.common.config import to_dict
from training.common.errors import ExportError
from training.seq2seq.config import TranslatorConfig
from training.seq2seq.pairs import ParallelData


def check_shippable(config: TranslatorConfig, data: ParallelData) -> None:
    """Refuse data of which no model may be given away, and a translator that the server would feed other text.

    Raises:
        ExportError: naming the data or the setting.
    """
    if not data.shippable:
        raise ExportError(
            f"{data.name} is {data.licence}: a model trained on it may be measured but not given away, and that is "
            "what a bundle is for. Train with --data tatoeba:eng-deu, or on your own files with --train"
        )
    if config.data.lower_case:
        raise ExportError(
            "the run was trained with --lower-case, which is for comparing with published figures: the server keeps "
            "capitals. Train without it"
        )


def public_config(config: TranslatorConfig) -> dict[str, Any]:
    """The settings without the folders that data lie in."""
    settings = to_dict(config)
    for split in ("train", "dev", "test"):
        given = settings["data"][split]
        settings["data"][split] = ",".join(Path(part.strip()).name for part in given.split(",")) if given else ""
    return settings
