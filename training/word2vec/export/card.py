"""The model card of a bundle of word vectors."""

from collections.abc import Sequence
from typing import Any

from service.bundle.files import Sample
from service.bundle.manifest import Manifest
from service.tasks.word_vectors.preprocessing import Subwords, WordVectorsPreprocessing
from training.word2vec.export.parity import Parity
from training.word2vec.export.quantized_table import Precision
from training.word2vec.export.samples import ANALOGY, NEIGHBORS

# ruff: noqa: E501  - a table row is one line
_CARD = """\
# {name}

{description}

| | |
|---|---|
| Task | {task} |
| Vocabulary | {words:,} words, most frequent first{phrases} |
| Vectors | {dimensions} dimensions, norm 1, along their principal axes ({axes}), so that the leading ones may be kept alone |
| Stored as | {precision}; scores differ from those in float32 by {difference:.1g} at most, and {overlap:.1%} of the ten nearest words are the same ({queries:,} words, measured on the graph that ships) |
| Search | {search} |
{unknown}| Look-ups | normalizer `{normalizer}`, texts are split by the tokenizer `{tokenizer}` |
| Mean of several words | weighted by a / (a + p), p the word's frequency, a = 0.001 (Arora, Liang, Ma 2017, section 3) |
| Licence of the vectors | {licence} |
| Attribution | {attribution} |

## How good they are

{results}

{examples}

## Where they come from

* Data: {data}.
{settings}* Libraries: {libraries}.

## Limitations

A word has one vector, whatever it means in its sentence. Near words are used in similar contexts in the data; they
need not mean the same: opposites are often near. What the data says of people, prejudice included, is in the vectors too.
{limitation}
"""

_UNKNOWN = """\
| Unknown words | the mean of the vectors of their n-grams of {min_ngram} to {max_ngram} characters, in {buckets:,} buckets, as in fastText (Bojanowski et al. 2017); they differ from those in float32 by {difference:.1g} at most |
"""
_LIMITATIONS = {
    False: "Words that are not in the vocabulary have no vector.",
    True: "A word that is not in the vocabulary is composed of its parts, whatever it means: answers name such words under `composed`.",
}

_SEARCH = {
    False: "exact: every word is compared",
    True: "approximate (HNSW, Malkov and Yashunin 2018), {expansion} candidates scored again exactly: {recall:.1%} of the ten nearest words are retrieved",
}


def model_card(
    manifest: Manifest,
    *,
    words: int,
    precision: Precision,
    removed: int,
    parity: Parity,
    samples: Sequence[Sample],
) -> str:
    """The text of MODEL_CARD.md.

    Args:
        manifest: manifest of the bundle.
        words: size of the vocabulary.
        precision: precision of the table.
        removed: leading axes that were removed, with the mean.
        parity: comparison with float32.
        samples: neighbors and analogies among them are the examples.
    """
    settings = WordVectorsPreprocessing.model_validate(manifest.preprocessing)
    source = manifest.provenance
    index = settings.index
    return _CARD.format(
        name=manifest.name,
        description=manifest.description,
        task=manifest.task,
        words=words,
        phrases=", phrases (`new_york`) among them" if settings.phrases else "",
        dimensions=settings.dimensions,
        axes=f"less the mean and the {removed} leading axes: Mu and Viswanath 2018" if removed else "uncentered",
        precision=precision,
        difference=parity.greatest_difference,
        overlap=parity.overlap,
        queries=len(parity.queries),
        search=_SEARCH[index is not None].format(
            expansion=index.expansion if index else 0, recall=(index.recall or 0) if index else 0
        ),
        unknown=_unknown_words(settings.subwords, parity),
        limitation=_LIMITATIONS[settings.subwords is not None],
        normalizer=settings.normalizer,
        tokenizer=settings.tokenizer,
        licence=source.licence,
        attribution=source.attribution or "none",
        results=_results(manifest),
        examples=_examples(samples),
        data=source.data,
        settings=_settings(source.config),
        libraries=", ".join(f"{name} {version}" for name, version in source.libraries.items()),
    )


def _unknown_words(subwords: Subwords | None, parity: Parity) -> str:
    """The row of the table about unknown words; empty without n-grams."""
    if subwords is None:
        return ""
    return _UNKNOWN.format(
        min_ngram=subwords.min_ngram,
        max_ngram=subwords.max_ngram,
        buckets=subwords.buckets,
        difference=parity.composed_difference or 0,
    )


def _results(manifest: Manifest) -> str:
    if not manifest.metrics:
        return "Not measured."
    lines = [f"| {m.name} | {m.value:.4g}{' ' + m.unit if m.unit else ''} | {m.data} |" for m in manifest.metrics]
    return "\n".join(["| measure | value | data |", "|---|---|---|", *lines])


def _examples(samples: Sequence[Sample]) -> str:
    """The neighbors and the analogy of the samples."""
    lines = []
    for sample in samples:
        request: dict[str, Any] = sample.request
        results: list[Any] = sample.results
        if sample.route == NEIGHBORS:
            queries = [f"`{word}`" for word in request["words"]]
        elif sample.route == ANALOGY:
            queries = [f"`{request['b']}` - `{request['a']}` + `{request['c']}`"]
        else:
            continue
        for query, result in zip(queries, results, strict=True):
            neighbors = ", ".join(f"{entry['word']} {entry['score']:.2f}" for entry in result["neighbors"])
            lines.append(f"* Nearest to {query}: {neighbors}")
    return "\n".join(lines)


def _settings(config: dict[str, Any]) -> str:
    if not config:
        return ""
    return f"* Settings: {', '.join(f'{name} {value}' for name, value in config.items())}.\n"
