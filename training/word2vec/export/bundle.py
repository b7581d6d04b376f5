"""Word vectors as a model bundle: table, graph, index, samples, model card, manifest."""

import io
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from service.bundle.files import MODEL_CARD, SAMPLES, Bundle, write_bundle
from service.bundle.manifest import Comparison, Manifest, Metric, Task
from service.tasks.word_vectors.preprocessing import ApproximateIndex, WordVectorsPreprocessing
from service.text import Normalizer, Tokenizer
from training.common.errors import ConfigError
from training.common.export import check_target, provenance
from training.common.vectors import Block, WordVectors
from training.word2vec.export.ann_index import ApproximateSearch, IndexChoice, build_index, tune, wants_index
from training.word2vec.export.card import model_card
from training.word2vec.export.graph import GRAPH_FILE, build_graph, check_size, graph_spec, is_outside
from training.word2vec.export.lookup import Lookup
from training.word2vec.export.parity import Parity, check_parity
from training.word2vec.export.quantized_table import (
    SCALES_FILE,
    TABLE_FILE,
    Axes,
    Precision,
    Table,
    build_table,
    principal_axes,
)
from training.word2vec.export.samples import SampleMaker
from training.word2vec.export.staging import Staged, stage

_LIBRARIES = ("numpy", "onnx", "onnxruntime")
_SMOOTHING = 1e-3
"""a of a / (a + p), as in the paper."""

_TOLERANCE = 1e-4
_BLOCK = 16_384


@dataclass(frozen=True, kw_only=True)
class BundleSettings:
    """What a bundle of word vectors is to be, and what is known of the vectors."""

    name: str
    repository: Path
    """The model repository, for example `models/`."""
    normaliser: Normalizer = "none"
    tokenizer: Tokenizer = "letters"
    phrases: bool = False
    """Whether the vocabulary has phrases that a text's words are to be joined to."""
    precision: Precision = "int8"
    max_words: int | None = None
    """Only the most frequent; None for all."""
    dimensions: int | None = None
    """Only the leading principal axes; None for all."""
    remove_components: int = 0
    """How many of the leading axes to leave out, with the mean (Mu and Viswanath 2018); 0 changes no cosine."""
    index: IndexChoice = "auto"
    """An approximate index: `auto` for more than 200,000 words."""
    threads: int = 0
    """For building the index; 0 takes every CPU."""
    description: str = ""
    data: str = "unknown"
    """What text the vectors come from."""
    licence: str = "unspecified"
    attribution: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    """The settings of the run that made them."""
    seed: int | None = None
    libraries: tuple[str, ...] = ()
    """Further libraries whose versions are recorded: what trained the vectors."""
    metrics: tuple[Metric, ...] = ()

    def __post_init__(self) -> None:
        for name, value in (("max-words", self.max_words), ("keep-dimensions", self.dimensions)):
            if value is not None and value < 1:
                raise ConfigError(f"--{name} {value}: must be at least 1")
        if self.remove_components < 0:
            raise ConfigError(f"--remove-components {self.remove_components}: must not be below 0")


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What an export wrote, and how far it is from the vectors it was given."""

    bundle: Bundle
    words: int
    dimensions: int
    dropped: int
    """Words that the normaliser makes the same as a more frequent one (`Paris`, `paris`)."""
    kept_share: float
    """Of the vectors' squared norm, along the axes that were kept: 1 where none was cut."""
    parity: Parity
    index: ApproximateIndex | None
    index_words_per_second: float | None


def export(vectors: WordVectors, settings: BundleSettings) -> Exported:
    """Write vectors as the next version of the bundle `settings.name`, once its graph is shown to equal them.

    Raises:
        ConfigError: a setting that cannot be used.
        ExportError: no words, a vector without direction, a graph that differs, or usearch is missing.
    """
    blocks = (
        Block(words=vectors.words[start : start + _BLOCK], rows=vectors.matrix[start : start + _BLOCK])
        for start in range(0, len(vectors), _BLOCK)
    )
    return export_blocks(blocks, settings, dimensions=vectors.dimensions, counts=vectors.counts)


def export_blocks(
    blocks: Iterable[Block], settings: BundleSettings, *, dimensions: int, counts: NDArray[np.int64] | None
) -> Exported:
    """As `export`, for vectors of `dimensions` components that come block by block; they are never all in memory.

    Args:
        counts: how often each word of the source was met, where that is known.
    """
    kept = check_exportable(settings, dimensions=dimensions)
    # Beside the bundle: what is made there is as large as the vectors.
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=settings.repository) as name:
        folder = Path(name)
        staged = stage(
            blocks, folder, dimensions=dimensions, normaliser=settings.normaliser, max_words=settings.max_words
        )
        axes = principal_axes(staged, kept, remove=settings.remove_components)
        parts = _make_parts(settings, staged, axes, word_weights(len(staged.words), counts, staged.origins), folder)
        bundle = _write(settings, parts, folder)
    return Exported(
        bundle=bundle,
        words=len(staged.words),
        dimensions=kept,
        dropped=staged.dropped,
        kept_share=axes.share,
        parity=parts.parity,
        index=parts.index,
        index_words_per_second=parts.index_words_per_second,
    )


def check_exportable(settings: BundleSettings, *, dimensions: int, words: int = 0) -> int:
    """Refuse what no vectors of so many components, or of so many words, can be exported as; how many axes are kept.

    Args:
        words: how many there are at most; 0 where that is not known.

    Raises:
        ConfigError: naming the setting.
        ExportError: an index is asked for, or needed for so many words, and usearch is missing.
    """
    left = dimensions - settings.remove_components
    if left < 1:
        raise ConfigError(f"--remove-components {settings.remove_components}: the vectors have {dimensions}")
    kept = settings.dimensions or left
    if kept > left:
        raise ConfigError(f"--keep-dimensions {kept}: the vectors have {left}; ask for at most as many")
    rows = min(words, settings.max_words or words)
    check_size(rows, kept, settings.precision)
    wants_index(settings.index, rows)
    check_target(settings.name, settings.repository)
    return kept


def word_weights(
    words: int, counts: NDArray[np.int64] | None, origins: NDArray[np.int64] | None = None
) -> NDArray[np.float32]:
    """The weight of each word in the mean that is a text's vector: a / (a + p) (Arora, Liang, Ma 2017, section 3).

    Args:
        words: V.
        counts: of the source's words; p follows Zipf's law, 1 / (rank + 2.7), where they are unknown.
        origins: [V], which words of the source are meant; None for all.

    Returns:
        [V].
    """
    if counts is None:
        zipf = 1 / (np.arange(1, words + 1) + 2.7)
        frequencies = zipf / zipf.sum()
    else:
        frequencies = (counts if origins is None else counts[origins]) / counts.sum()
    weights: NDArray[np.float32] = (_SMOOTHING / (_SMOOTHING + frequencies)).astype(np.float32)
    return weights


@dataclass(frozen=True, kw_only=True)
class _Parts:
    words: list[str]
    word_weights: NDArray[np.float32]
    table: Table
    graph: bytes
    lookup: Lookup
    parity: Parity
    index: ApproximateIndex | None
    index_words_per_second: float | None


def _make_parts(
    settings: BundleSettings,
    staged: Staged,
    axes: Axes,
    weights: NDArray[np.float32],
    folder: Path,
) -> _Parts:
    indexed = wants_index(settings.index, len(staged.words))
    table = build_table(staged, axes, settings.precision, folder)
    check_size(len(staged.words), table.dimensions, settings.precision)
    graph = build_graph(table)
    lookup = Lookup(graph, table)
    parity = check_parity(lookup, staged, axes, settings.precision)
    path = folder / ApproximateIndex().file
    speed = build_index(table, path, threads=settings.threads) if indexed else None
    index = tune(table, path, parity) if indexed else None
    return _Parts(
        words=staged.words,
        word_weights=weights,
        table=table,
        graph=graph,
        lookup=lookup,
        parity=parity,
        index=index,
        index_words_per_second=speed,
    )


def _write(settings: BundleSettings, parts: _Parts, folder: Path) -> Bundle:
    preprocessing = _preprocessing(settings, parts)
    served = parts.lookup.nearest
    if parts.index is not None:
        search = ApproximateSearch(parts.table, folder / parts.index.file)
        served = partial(search.nearest, expansion=parts.index.expansion)
    samples = SampleMaker(
        lookup=parts.lookup,
        served=served,
        words=parts.words,
        word_weights=parts.word_weights,
        preprocessing=preprocessing,
    ).make()
    manifest = _manifest(settings, parts, preprocessing)
    card = model_card(
        manifest,
        words=len(parts.words),
        precision=settings.precision,
        removed=settings.remove_components,
        parity=parts.parity,
        samples=samples,
    )
    files: dict[str, bytes | Path] = {
        GRAPH_FILE: parts.graph,
        preprocessing.vocabulary: "".join(f"{word}\n" for word in parts.words).encode(),
        preprocessing.word_weights: _npy(parts.word_weights),
        SAMPLES: orjson.dumps({"samples": samples}),
        MODEL_CARD: card.encode(),
    }
    beside = (preprocessing.table, preprocessing.scales, parts.index.file if parts.index else None)
    files |= {name: folder / name for name in beside if name is not None}
    return write_bundle(settings.repository, manifest, files)


def _preprocessing(settings: BundleSettings, parts: _Parts) -> WordVectorsPreprocessing:
    outside = is_outside(parts.table)
    return WordVectorsPreprocessing(
        dimensions=parts.table.dimensions,
        normalizer=settings.normaliser,
        tokenizer=settings.tokenizer,
        phrases=settings.phrases,
        table=TABLE_FILE if outside else None,
        scales=SCALES_FILE if outside and parts.table.scales is not None else None,
        index=parts.index,
    )


def _manifest(settings: BundleSettings, parts: _Parts, preprocessing: WordVectorsPreprocessing) -> Manifest:
    words, size = len(parts.words), parts.table.dimensions
    libraries = {*_LIBRARIES, *settings.libraries, *(["usearch"] if parts.index else [])}
    return Manifest(
        name=settings.name,
        version=1,
        task=Task.WORD_VECTORS,
        description=settings.description or f"Vectors of {words:,} words in {size} dimensions, from {settings.data}",
        graphs={"model": graph_spec(parts.table)},
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
