"""The name, provenance and metrics of the bundle of a run."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from service.bundle.manifest import Metric
from training.common.config import to_dict
from training.common.corpora import CORPORA
from training.common.vectors import WordVectors
from training.common.vectors.loading import bundle_vectors
from training.word2vec.config import Word2VecConfig
from training.word2vec.evaluate import evaluate
from training.word2vec.export.bundle import BundleSettings, export

_DEFAULT_NAMES = {"wikipedia-en-2015": "words-en", "text8": "words-text8"}


def default_name(config: Word2VecConfig) -> str:
    """The default name of the model: that of a known corpus, else the name of the data's file or folder."""
    if config.data in _DEFAULT_NAMES:
        return _DEFAULT_NAMES[config.data]
    return Path(config.data).resolve().name.partition(".")[0].lower().replace(" ", "-")


def run_settings(config: Word2VecConfig) -> dict[str, Any]:
    """The fields of `BundleSettings` that follow from the settings of the run."""
    corpus = CORPORA.get(config.data)
    file_name = Path(config.data).name
    return {
        "normalizer": "lower" if config.tokenizer == "letters" else "none",
        "tokenizer": config.tokenizer,
        "phrases": config.phrases > 0,
        "data": corpus.description if corpus else file_name,
        "licence": corpus.licence if corpus else "unspecified",
        "attribution": corpus.attribution if corpus else "",
        "config": to_dict(replace(config, data=config.data if corpus else file_name)),
        "seed": config.seed,
        "libraries": ("numba", "torch"),
    }


def measure(vectors: WordVectors, settings: BundleSettings) -> tuple[Metric, ...]:
    """Score the vectors as such a bundle serves them, quantized and truncated, on the published English test sets."""
    with tempfile.TemporaryDirectory() as folder:
        trial = export(vectors, replace(settings, repository=Path(folder), index="none"))
        served = bundle_vectors(trial.bundle.path)
    result = evaluate(served, split="all")
    vocabulary = f"{min(result.restrict, result.words):,} most frequent words"
    metrics = []
    if result.analogies is not None and result.analogies.total.accuracy is not None:
        data = f"Google analogies, {result.analogies.total.asked:,} questions within the {vocabulary}"
        metrics.append(
            Metric(name="accuracy", value=round(100 * result.analogies.total.accuracy, 1), unit="%", data=data)
        )
    for pairs in result.pairs:
        if pairs.spearman is not None:
            data = f"{pairs.name}, {pairs.pairs:,} pairs of known words"
            metrics.append(Metric(name="Spearman's rho", value=round(pairs.spearman, 3), data=data))
    return tuple(metrics)
