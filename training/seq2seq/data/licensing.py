"""Licensing: whether a translator may be redistributed, its attribution, and the settings to publish."""

from pathlib import Path
from typing import Any

from training.common.config import to_dict
from training.common.errors import ConfigError, ExportError, RunError
from training.common.run import Run
from training.seq2seq.config import FAMILY, TranslatorConfig, stored_config
from training.seq2seq.data.dataset import ParallelData
from training.seq2seq.data.sources import ATTRIBUTIONS, is_redistributable
from training.seq2seq.initialization import bundle_attribution, bundle_settings, initial_name, is_bundle


def check_redistributable(config: TranslatorConfig, data: ParallelData) -> None:
    """Refuse to export a model whose data may not be published, or that was trained on text unlike the server's.

    Raises:
        ExportError: naming the data, the setting, or the missing run that it was initialized from.
    """
    if not data.redistributable:
        raise ExportError(
            f"{data.name} is {data.licence}: a model trained on it may be evaluated but not redistributed, so no "
            "bundle can be made. Train with --data tatoeba:eng-deu, or on your own files with --train"
        )
    for name, earlier in earlier_settings(config):
        if not is_redistributable(earlier.data):
            raise ExportError(
                f"the run was initialized from {name}, which was trained on {earlier.data.data}: a model trained on it "
                "may be evaluated but not redistributed, so no bundle can be made. Initialize from another run"
            )
    if config.data.lower_case:
        raise ExportError(
            "the run was trained with --lower-case, which is for comparing with published figures: the server keeps "
            "capitals. Train without it"
        )


def earlier_settings(config: TranslatorConfig) -> list[tuple[str, TranslatorConfig]]:
    """Names and settings of the runs and the bundle that this one was initialized from (`--init`), the latest first.

    Raises:
        ExportError: one of them is missing.
    """
    runs: list[tuple[str, TranslatorConfig]] = []
    while config.init:
        path = Path(config.init)
        try:
            if is_bundle(path):
                return runs + bundle_settings(config.init)
            config = stored_config(Run.open(path, family=FAMILY))
        except (ConfigError, RunError) as error:
            raise ExportError(
                f"the run was initialized from {path}, which cannot be read ({error}): whether a bundle can be made "
                "depends on the data of that run. Put it back"
            ) from error
        runs.append((path.name, config))
    return runs


def attribution_of(config: TranslatorConfig, data: ParallelData) -> str:
    """Attribution of the data: of this run's, and of those of the runs and the bundle it was initialized from."""
    earlier = [config, *(settings for _, settings in earlier_settings(config))]
    others = [ATTRIBUTIONS.get(settings.data.data.partition(":")[0], "") for settings in earlier[1:]]
    bundles = [bundle_attribution(settings.init) for settings in earlier if is_bundle(Path(settings.init))]
    return "; ".join(filter(None, dict.fromkeys([data.attribution, *others, *bundles])))


def public_config(config: TranslatorConfig) -> dict[str, Any]:
    """The settings, with those of the runs it was initialized from; paths are reduced to their last part."""
    settings = _public(config)
    if config.init:
        settings["begun_with"] = [_public(earlier) for _, earlier in earlier_settings(config)]
    return settings


def _public(config: TranslatorConfig) -> dict[str, Any]:
    settings = to_dict(config) | {"init": initial_name(config.init)}
    for split in ("train", "extra", "in_domain", "dev", "test"):
        files = settings["data"][split]
        settings["data"][split] = ",".join(Path(part.strip()).name for part in files.split(",")) if files else ""
    return settings
