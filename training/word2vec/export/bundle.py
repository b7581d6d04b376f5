"""Exports word vectors as a model bundle: table, graph, index, samples, model card, manifest."""

import io
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.bundle.files import Bundle, draft_bundle
from service.bundle.manifest import Comparison, Manifest, Metric, Task
from service.bundle.write_errors import attribute_write_errors
from service.tasks.word_vectors import WordVectorsPredictor
from service.tasks.word_vectors.preprocessing import ApproximateIndex, Subwords, WordVectorsPreprocessing
from service.text import Normalizer, Tokenizer
from training.common.errors import ConfigError
from training.common.export import check_target, provenance
from training.common.samples import SampleAnswers
from training.common.vectors import Block, SubwordVectors, WordVectors
from training.word2vec.export.ann_index import IndexChoice, build_index, choose_expansion, needs_index, with_index
from training.word2vec.export.card import model_card
from training.word2vec.export.graph import GRAPH_FILE, build_graph, check_size, graph_spec, is_outside
from training.word2vec.export.parity import Parity, check_composed, check_parity
from training.word2vec.export.quantized_table import (
    SCALES_FILE,
    TABLE_FILE,
    Axes,
    Precision,
    Table,
    build_table,
    principal_axes,
)
from training.word2vec.export.samples import Candidates, choose_candidates, make_samples
from training.word2vec.export.staging import StagedVectors, stage_vectors
from training.word2vec.export.subword_table import write_subwords
from training.word2vec.export.word_weights import word_weights

_LIBRARIES = ("numpy", "onnx", "onnxruntime")
_TOLERANCE = 1e-4
_BLOCK = 16_384


@dataclass(frozen=True, kw_only=True)
class BundleSettings:
    """Settings of an export, and the origin of the vectors."""

    name: str
    repository: Path
    """The model repository, for example `models/`."""
    normalizer: Normalizer = "none"
    tokenizer: Tokenizer = "letters"
    phrases: bool = False
    """Whether the vocabulary has phrases; adjacent words of a text are then joined to them."""
    precision: Precision = "int8"
    max_words: int | None = None
    """Export only this many of the most frequent words; None for all."""
    dimensions: int | None = None
    """Keep only this many of the leading principal axes; None for all."""
    remove_components: int = 0
    """Leading axes to remove, together with the mean (Mu and Viswanath 2018); 0 changes no cosine."""
    words_only: bool = False
    """Whether to leave out the vectors of n-grams, so that unknown words stay unknown."""
    index: IndexChoice = "auto"
    """Whether to build an approximate index; `auto` builds one for more than 200,000 words."""
    threads: int = 0
    """Threads that build the index; 0 for one per CPU."""
    description: str = ""
    data: str = "unknown"
    """The corpus of the vectors."""
    licence: str = "unspecified"
    attribution: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    """The settings of the training run."""
    seed: int | None = None
    libraries: tuple[str, ...] = ()
    """Libraries of the training, whose versions are recorded besides those of the export."""
    metrics: tuple[Metric, ...] = ()

    def __post_init__(self) -> None:
        for name, value in (("max-words", self.max_words), ("keep-dimensions", self.dimensions)):
            if value is not None and value < 1:
                raise ConfigError(f"--{name} {value}: must be at least 1")
        if self.remove_components < 0:
            raise ConfigError(f"--remove-components {self.remove_components}: must not be below 0")


@dataclass(frozen=True, kw_only=True)
class Exported:
    """The result of an export, and how far it differs from the original vectors."""

    bundle: Bundle
    words: int
    dimensions: int
    dropped: int
    """Words that the normalizer makes equal to a more frequent one (`Paris`, `paris`)."""
    kept_share: float
    """Share of the vectors' squared norm along the axes that were kept; 1 if all were."""
    parity: Parity
    index: ApproximateIndex | None
    index_words_per_second: float | None
    """Speed of building the index."""


def export(vectors: WordVectors, settings: BundleSettings) -> Exported:
    """Write vectors as the next version of the bundle `settings.name`, after checking that it serves them correctly.

    Raises:
        ConfigError: a setting cannot be used.
        ExportError: no words, a zero vector, scores that differ from float32, or usearch is missing.
    """
    blocks = (
        Block(words=vectors.words[start : start + _BLOCK], rows=vectors.matrix[start : start + _BLOCK])
        for start in range(0, len(vectors), _BLOCK)
    )
    return export_blocks(
        blocks, settings, dimensions=vectors.dimensions, counts=vectors.counts, subwords=vectors.subwords
    )


def export_blocks(
    blocks: Iterable[Block],
    settings: BundleSettings,
    *,
    dimensions: int,
    counts: NDArray[np.int64] | None,
    subwords: SubwordVectors | None = None,
) -> Exported:
    """Export vectors that come block by block, as `export`; they are never all in memory.

    Args:
        blocks: words and rows, most frequent first.
        settings: settings of the bundle.
        dimensions: components of a row.
        counts: occurrences of each word of the source, if known.
        subwords: the vectors of n-grams, if there are any.
    """
    kept = check_exportable(settings, dimensions=dimensions, subwords=subwords is not None)
    # In the repository, as the temporary files are as large as the vectors, and the bundle links to them.
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=settings.repository) as name:
        folder = Path(name)
        with attribute_write_errors(settings.repository / settings.name, temporary=folder):
            staged = stage_vectors(
                blocks, folder, dimensions=dimensions, normalizer=settings.normalizer, max_words=settings.max_words
            )
            axes = principal_axes(staged, kept, remove=settings.remove_components)
            weights = word_weights(len(staged.words), counts, staged.source_rows)
            return _export_staged(settings, staged, axes, weights, None if settings.words_only else subwords, folder)


def check_exportable(settings: BundleSettings, *, dimensions: int, words: int = 0, subwords: bool = False) -> int:
    """Check the settings before anything is trained or read.

    Args:
        settings: settings of the bundle.
        dimensions: components of the vectors.
        words: maximum number of words; 0 if unknown.
        subwords: whether there are vectors of n-grams.

    Returns:
        The number of axes that are kept.

    Raises:
        ConfigError: naming the setting that cannot be used.
        ExportError: an index is requested, or needed for this many words, and usearch is missing.
    """
    available = dimensions - settings.remove_components
    if available < 1:
        raise ConfigError(f"--remove-components {settings.remove_components}: the vectors have {dimensions}")
    if subwords and settings.remove_components and not settings.words_only:
        raise ConfigError(
            "--remove-components: the mean of the words cannot be subtracted from n-grams, of which unknown words are "
            "composed; leave it out, or the n-grams with --words-only"
        )
    kept = settings.dimensions or available
    if kept > available:
        raise ConfigError(f"--keep-dimensions {kept}: the vectors have {available}; ask for at most as many")
    rows = min(words, settings.max_words or words)
    check_size(rows, kept, settings.precision)
    needs_index(settings.index, rows)
    check_target(settings.name, settings.repository)
    return kept


def _export_staged(
    settings: BundleSettings,
    staged: StagedVectors,
    axes: Axes,
    weights: NDArray[np.float32],
    subwords: SubwordVectors | None,
    folder: Path,
) -> Exported:
    """Make the files of the bundle, check and answer it with the predictor that serves it, and publish it."""
    index = ApproximateIndex() if needs_index(settings.index, len(staged.words)) else None
    table = build_table(staged, axes, settings.precision, folder)
    check_size(len(table), table.dimensions, settings.precision)
    words_per_second = build_index(table, folder / index.file, threads=settings.threads) if index else None
    stored = None if subwords is None else write_subwords(subwords, axes, settings.precision, folder)
    manifest = _manifest(settings, table, _preprocessing(settings, table, index, stored))
    files = _files(manifest, table, staged.words, weights, folder)
    with draft_bundle(settings.repository, manifest, files, link=True) as draft:
        parity, candidates = _search_exactly(draft.bundle, staged, axes, settings.precision, subwords)
        if index is not None:
            index = choose_expansion(draft.bundle, parity)
        final = with_index(draft.bundle, index)
        samples = make_samples(SampleAnswers(final), candidates)
        card = model_card(
            final.manifest,
            words=len(table),
            precision=settings.precision,
            removed=settings.remove_components,
            parity=parity,
            samples=samples,
        )
        bundle = draft.publish(samples, card, manifest=final.manifest)
    return Exported(
        bundle=bundle,
        words=len(table),
        dimensions=table.dimensions,
        dropped=staged.dropped,
        kept_share=axes.share,
        parity=parity,
        index=index,
        index_words_per_second=words_per_second,
    )


def _search_exactly(
    bundle: Bundle, staged: StagedVectors, axes: Axes, precision: Precision, subwords: SubwordVectors | None
) -> tuple[Parity, Candidates]:
    """Compare exact search and words composed of n-grams with float32, and choose the candidates for samples by it.

    The predictor is released on return, as it has a table inside the graph in memory as float32.
    """
    answers = SampleAnswers(with_index(bundle, None))
    parity = check_parity(answers.predictor, staged, axes, precision)
    if subwords is not None:
        assert isinstance(answers.predictor, WordVectorsPredictor)
        difference = check_composed(answers.predictor, staged, subwords, axes, precision)
        parity = replace(parity, composed_difference=difference)
    return parity, choose_candidates(answers)


def _files(
    manifest: Manifest, table: Table, words: list[str], weights: NDArray[np.float32], folder: Path
) -> dict[str, bytes | Path]:
    """The files of the bundle by name; those of a large table and its index as paths in `folder`."""
    preprocessing = WordVectorsPreprocessing.model_validate(manifest.preprocessing)
    files: dict[str, bytes | Path] = {
        GRAPH_FILE: build_graph(table),
        preprocessing.vocabulary: "".join(f"{word}\n" for word in words).encode(),
        preprocessing.word_weights: _npy(weights),
    }
    index_file = preprocessing.index.file if preprocessing.index else None
    large = [preprocessing.table, preprocessing.scales, index_file]
    if subwords := preprocessing.subwords:
        large += [subwords.file, subwords.scales, subwords.columns]
    return files | {name: folder / name for name in large if name is not None}


def _preprocessing(
    settings: BundleSettings, table: Table, index: ApproximateIndex | None, subwords: Subwords | None
) -> WordVectorsPreprocessing:
    outside = is_outside(table)
    return WordVectorsPreprocessing(
        dimensions=table.dimensions,
        normalizer=settings.normalizer,
        tokenizer=settings.tokenizer,
        phrases=settings.phrases,
        table=TABLE_FILE if outside else None,
        scales=SCALES_FILE if outside and table.row_scales is not None else None,
        index=index,
        subwords=subwords,
    )


def _manifest(settings: BundleSettings, table: Table, preprocessing: WordVectorsPreprocessing) -> Manifest:
    words, size = len(table), table.dimensions
    libraries = {*_LIBRARIES, *settings.libraries, *(["usearch"] if preprocessing.index else [])}
    return Manifest(
        name=settings.name,
        version=1,
        task=Task.WORD_VECTORS,
        description=settings.description or f"Vectors of {words:,} words in {size} dimensions, from {settings.data}",
        graphs={"model": graph_spec(table)},
        preprocessing=preprocessing.model_dump(),
        metrics=settings.metrics,
        provenance=provenance(
            data=settings.data,
            licence=settings.licence,
            attribution=settings.attribution,
            config=settings.config,
            seed=settings.seed,
            libraries=libraries,
        ),
        comparison=Comparison(kind="scores", tolerance=_TOLERANCE),
    )


def _npy(values: NDArray[np.float32]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()
