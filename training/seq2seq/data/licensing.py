"""Whether a translator's weights may be given away, and with which settings they were made."""

from pathlib import Path
from typing import Any

from training.common.config import to_dict
from training.common.errors import ConfigError, ExportError, RunError
from training.common.run import Run
from training.seq2seq.config import FAMILY, TranslatorConfig, stored_config
from training.seq2seq.data.dataset import ParallelData
from training.seq2seq.data.sources import ATTRIBUTIONS, is_shippable


def check_shippable(config: TranslatorConfig, data: ParallelData) -> None:
    """Refuse data of which no model may be given away, and a translator that the server would feed other text.

    Raises:
        ExportError: naming the data or the setting, or the run it began with if that is not there.
    """
    if not data.shippable:
        raise ExportError(
            f"{data.name} is {data.licence}: a model trained on it may be measured but not given away, and that is "
            "what a bundle is for. Train with --data tatoeba:eng-deu, or on your own files with --train"
        )
    for name, earlier in earlier_settings(config):
        if not is_shippable(earlier.data):
            raise ExportError(
                f"the run began with {name}, which was trained on {earlier.data.data}: that may be measured but not "
                "given away. Begin with another run"
            )
    if config.data.lower_case:
        raise ExportError(
            "the run was trained with --lower-case, which is for comparing with published figures: the server keeps "
            "capitals. Train without it"
        )


def earlier_settings(config: TranslatorConfig) -> list[tuple[str, TranslatorConfig]]:
    """The runs that this one began with, the last one first: their names and settings.

    Raises:
        ExportError: one of them is not there any more.
    """
    found: list[tuple[str, TranslatorConfig]] = []
    while config.init:
        path = Path(config.init)
        try:
            config = stored_config(Run.open(path, family=FAMILY))
        except (ConfigError, RunError) as error:
            raise ExportError(
                f"the run began with {path}, which cannot be read ({error}): what that was trained on decides whether "
                "a bundle may be made. Put it back"
            ) from error
        found.append((path.name, config))
    return found


def attribution(config: TranslatorConfig, data: ParallelData) -> str:
    """Whose work the weights are made of: this run's data, and those of the runs it began with."""
    others = [ATTRIBUTIONS.get(earlier.data.data.partition(":")[0], "") for _, earlier in earlier_settings(config)]
    return "; ".join(filter(None, dict.fromkeys([data.attribution, *others])))


def public_config(config: TranslatorConfig) -> dict[str, Any]:
    """The settings, with those of the runs it began with, without the folders that data and runs lie in."""
    settings = _public(config)
    if config.init:
        settings["begun_with"] = [_public(earlier) for _, earlier in earlier_settings(config)]
    return settings


def _public(config: TranslatorConfig) -> dict[str, Any]:
    settings = to_dict(config) | {"init": Path(config.init).name}
    for split in ("train", "dev", "test"):
        given = settings["data"][split]
        settings["data"][split] = ",".join(Path(part.strip()).name for part in given.split(",")) if given else ""
    return settings
