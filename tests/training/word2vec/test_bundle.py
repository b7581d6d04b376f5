"""Export of vectors, from memory or from a file, as a bundle whose samples are its own answers."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from service.bundle.comparison import differences
from service.bundle.files import Bundle, read_bundle
from service.bundle.manifest import Metric, Task
from service.runtime.session import OnnxSession
from service.tasks.word_vectors.preprocessing import WordVectorsPreprocessing
from service.tasks.word_vectors.vocabulary import Vocabulary
from tests.support.vectors import generate_vectors
from training.common.errors import ConfigError, DatasetError, ExportError
from training.common.vectors import WordVectors, write_vectors
from training.word2vec.export.bundle import BundleSettings, Exported, export, word_weights
from training.word2vec.export.import_vectors import import_vectors
from training.word2vec.export.parity import overlap, without_self

pytestmark = pytest.mark.torch

ROWS, SIZE = 300, 16


def settings(repository: Path, **changes: Any) -> BundleSettings:
    return BundleSettings(name="words-xx", repository=repository / "models", **changes)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """The made vectors, exported with the defaults and all that may be said of them."""
    return export(
        generate_vectors(ROWS, SIZE),
        settings(
            tmp_path_factory.mktemp("export"),
            normalizer="lower",
            data="a story",
            licence="CC0-1.0",
            attribution="nobody",
            config={"window": 5},
            seed=3,
            libraries=("torch",),
            metrics=(Metric(name="analogies", value=61.5, unit="%", data="ten questions"),),
        ),
    )


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every table is too large for the graph."""
    monkeypatch.setattr("training.word2vec.export.graph.MAX_INSIDE_BYTES", 100)


def preprocessing(bundle: Bundle) -> WordVectorsPreprocessing:
    return WordVectorsPreprocessing.model_validate(bundle.manifest.preprocessing)


def _check_same_samples(bundle: Bundle, other: Bundle) -> None:
    """The samples are the same up to rounding, which the blocks of a table decide."""
    for sample, expected in zip(bundle.samples(), other.samples(), strict=True):
        assert (sample.route, sample.request) == (expected.route, expected.request)
        assert not list(differences(expected.results, sample.results, bundle.manifest.comparison))


def rows_of(bundle: Bundle) -> np.ndarray[Any, Any]:
    """All rows, looked up by the graph of the bundle."""
    settings, count = preprocessing(bundle), len(Vocabulary(bundle.file("vocabulary.txt")))
    feeds = {
        "ids": np.arange(count)[:, None],
        "weights": np.ones((count, 1), np.float32),
        "vectors": np.zeros((count, settings.dimensions), np.float32),
        "k": np.zeros(count, np.int64),
    }
    for name, file in (("table", settings.table), ("scales", settings.scales)):
        feeds |= {name: np.load(bundle.file(file), mmap_mode="r")} if file else {}
    session = OnnxSession(bundle.file("model.onnx"), bundle.manifest.graphs["model"], providers=("cpu",))
    return session.run(feeds)["embeddings"]


def test_manifest_and_files_of_a_bundle(exported: Exported) -> None:
    bundle = read_bundle(exported.bundle.path)
    manifest = bundle.manifest
    assert (manifest.task, manifest.name, manifest.version) == (Task.WORD_VECTORS, "words-xx", 1)
    assert manifest.description == "Vectors of 300 words in 16 dimensions, from a story"
    assert preprocessing(bundle) == WordVectorsPreprocessing(
        dimensions=SIZE, normalizer="lower", tokenizer="letters", phrases=False
    )
    assert set(manifest.files) == {"model.onnx", "vocabulary.txt", "weights.npy", "samples.json", "MODEL_CARD.md"}
    assert (manifest.provenance.seed, manifest.provenance.config) == (3, {"window": 5})
    assert {"numpy", "onnx", "onnxruntime", "python", "torch"} == set(manifest.provenance.libraries)
    assert manifest.metrics[0].name == "analogies"
    assert (exported.words, exported.dimensions, exported.dropped, exported.index) == (ROWS, SIZE, 0, None)
    assert exported.kept_share == pytest.approx(1)
    assert 0 < exported.parity.greatest_difference < 0.02
    assert 0.9 < exported.parity.overlap < 1
    assert not list(bundle.path.parent.parent.glob(".*"))


def test_vocabulary_and_word_weights(exported: Exported) -> None:
    vectors = generate_vectors(ROWS, SIZE)
    words = exported.bundle.file("vocabulary.txt").read_text().splitlines()
    assert words == vectors.words
    weights = np.load(exported.bundle.file("weights.npy"))
    assert vectors.counts is not None
    frequencies = vectors.counts / vectors.counts.sum()
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights, 1e-3 / (1e-3 + frequencies), rtol=1e-6)


def test_weights_without_counts_follow_zipfs_law() -> None:
    weights = word_weights(3, None)
    frequencies = 1 / np.array([3.7, 4.7, 5.7])
    np.testing.assert_allclose(weights, 1e-3 / (1e-3 + frequencies / frequencies.sum()), rtol=1e-6)


def test_samples_equal_plain_numpy_on_the_shipped_rows(exported: Exported) -> None:
    samples = {sample.route: sample for sample in exported.bundle.samples()}
    assert set(samples) == {"/v1/similarity", "/v1/neighbors", "/v1/analogy", "/v1/embeddings"}
    words = generate_vectors(ROWS, SIZE).words
    vector = dict(zip(words, rows_of(exported.bundle), strict=True))
    weight = dict(zip(words, np.load(exported.bundle.file("weights.npy")), strict=True))

    def nearest(query: Any, excluded: list[str], k: int) -> list[dict[str, Any]]:
        query = query / np.linalg.norm(query)
        ranked = sorted(((float(vector[word] @ query), word) for word in words if word not in excluded), reverse=True)
        return [{"word": word, "score": pytest.approx(score, abs=2e-6)} for score, word in ranked[:k]]

    similarity: Any = samples["/v1/similarity"]
    for (left, right), result in zip(similarity.request["pairs"], similarity.results, strict=True):
        assert result == {"score": pytest.approx(float(vector[left] @ vector[right]), abs=2e-6)}
    neighbors: Any = samples["/v1/neighbors"]
    for word, result in zip(neighbors.request["words"], neighbors.results, strict=True):
        assert result == {"neighbors": nearest(vector[word], [word], neighbors.request["k"])}
    analogy: Any = samples["/v1/analogy"]
    a, b, c = (analogy.request[name] for name in "abc")
    assert (a, b, c) == ("man", "king", "woman")
    expected = nearest(vector[b] - vector[a] + vector[c], [a, b, c], analogy.request["k"])
    assert analogy.results == [{"neighbors": expected}]
    embeddings: Any = samples["/v1/embeddings"]
    size = embeddings.request["dimensions"]
    assert embeddings.request["encoding_format"] == "float"
    assert [len(text.split()) for text in embeddings.request["input"]] == [1, 3]
    for index, text in enumerate(embeddings.request["input"]):
        mean = sum(weight[word] * vector[word] for word in text.split())[:size]
        assert embeddings.results[index] == {
            "object": "embedding",
            "index": index,
            "embedding": pytest.approx(list(mean / np.linalg.norm(mean)), abs=2e-6),
        }


def test_the_model_card_has_the_metrics_of_the_bundle(exported: Exported) -> None:
    card = exported.bundle.model_card()
    for text in (
        "| Vocabulary | 300 words, most frequent first |",
        f"and {exported.parity.overlap:.1%} of the ten nearest words are the same (300 words",
        "| Search | exact: every word is compared |",
        "| Licence of the vectors | CC0-1.0 |",
        "| analogies | 61.5 % | ten questions |",
        "* Nearest to `king` - `man` + `woman`: ",
        "* Settings: window 5.",
        "* Data: a story.",
    ):
        assert text in card


def test_nothing_of_the_machine_is_in_the_bundle(exported: Exported) -> None:
    for path in exported.bundle.path.iterdir():
        for secret in (str(Path.cwd()), str(exported.bundle.path.parent), str(Path.home()), "site-packages", ".py"):
            assert secret.encode() not in path.read_bytes(), (path.name, secret)


def test_the_same_vectors_make_the_same_bytes(exported: Exported, tmp_path: Path) -> None:
    again = export(generate_vectors(ROWS, SIZE), settings(tmp_path, normalizer="lower"))
    for name in ("model.onnx", "vocabulary.txt", "weights.npy", "samples.json"):
        assert again.bundle.file(name).read_bytes() == exported.bundle.file(name).read_bytes()
    assert export(generate_vectors(ROWS, SIZE), settings(tmp_path)).bundle.manifest.version == 2


def test_few_words_and_few_dimensions(tmp_path: Path) -> None:
    result = export(generate_vectors(ROWS, SIZE), settings(tmp_path, max_words=50, dimensions=4, precision="fp32"))
    assert (result.words, result.dimensions, result.dropped) == (50, 4, 0)
    assert 0.5 < result.kept_share < 0.95
    assert result.parity.greatest_difference < 1e-5
    assert result.parity.overlap == 1
    assert preprocessing(result.bundle).dimensions == 4
    counts = generate_vectors(ROWS, SIZE).counts
    assert counts is not None
    np.testing.assert_allclose(np.load(result.bundle.file("weights.npy")), word_weights(ROWS, counts)[:50])


@pytest.mark.parametrize("words", [["one"], ["a", "b"], ["...", "北京", "x_y"]])
def test_tiny_vocabularies(words: list[str], tmp_path: Path) -> None:
    matrix = np.random.default_rng(0).normal(size=(len(words), 3)).astype(np.float32)
    bundle = export(WordVectors(words=words, matrix=matrix), settings(tmp_path)).bundle
    samples = bundle.samples()
    assert "/v1/similarity" in {sample.route for sample in samples}
    assert all(sample.results for sample in samples)


def test_an_analogy_whose_vectors_cancel_out_is_not_a_sample(tmp_path: Path) -> None:
    matrix = np.array([[1, 0], [0.5, -(0.75**0.5)], [0.5, 0.75**0.5]], np.float32)
    vectors = WordVectors(words=["king", "python", "paris"], matrix=matrix)
    bundle = export(vectors, settings(tmp_path, precision="fp32")).bundle
    assert [sample.route for sample in bundle.samples()] == ["/v1/similarity", "/v1/neighbors", "/v1/embeddings"]


def test_sample_texts_have_no_phrases(tmp_path: Path) -> None:
    vectors = generate_vectors(ROWS, SIZE)
    vectors.words[200] = "king_paris"
    for phrases in (False, True):
        bundle = export(vectors, settings(tmp_path, phrases=phrases)).bundle
        texts: Any = bundle.samples()[-1].request["input"]
        assert len(texts) == (1 if phrases else 2)
        assert ("phrases (`new_york`) among them" in bundle.model_card()) == phrases


@pytest.mark.parametrize("precision", ["int8", "fp16"])
@pytest.mark.usefixtures("outside")
def test_a_large_table_is_outside_the_graph_and_not_copied(
    precision: Any, exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.copyfile", None)
    bundle = export(generate_vectors(ROWS, SIZE), settings(tmp_path, normalizer="lower", precision=precision)).bundle
    assert (preprocessing(bundle).table, preprocessing(bundle).scales) == ("table.npy", "scales.npy")
    assert {"table.npy", "scales.npy"} < set(bundle.manifest.files)
    assert bundle.file("model.onnx").stat().st_size < 6000
    table = np.load(bundle.file("table.npy"), mmap_mode="r")
    assert (table.shape, table.dtype.name) == ((ROWS, SIZE), {"int8": "uint8", "fp16": "float16"}[precision])
    np.testing.assert_allclose(rows_of(bundle), rows_of(exported.bundle), atol=0.02)
    if precision == "int8":
        np.testing.assert_allclose(rows_of(bundle), rows_of(exported.bundle), atol=1e-6)
        _check_same_samples(bundle, exported.bundle)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_words": 0}, "--max-words 0: must be at least 1"),
        ({"dimensions": 0}, "--keep-dimensions 0: must be at least 1"),
        ({"remove_components": -1}, "--remove-components -1: must not be below 0"),
        ({"remove_components": 16}, "--remove-components 16: the vectors have 16"),
        ({"remove_components": 2, "dimensions": 15}, "--keep-dimensions 15: the vectors have 14"),
        ({"dimensions": 17}, "--keep-dimensions 17: the vectors have 16"),
        ({"name": "Words"}, "--name: model name 'Words': use lower-case"),
        ({"precision": "fp32"}, "--precision fp32: a table of 0 MiB is too large for it; choose fp16 or int8"),
    ],
)
@pytest.mark.usefixtures("outside")
def test_settings_that_cannot_be_used(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        export(generate_vectors(ROWS, SIZE), BundleSettings(**({"name": "a", "repository": tmp_path} | change)))
    assert not list(tmp_path.iterdir())


def test_a_graph_that_differs_is_not_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "training.word2vec.export.quantized_table.choose_column_scales",
        lambda _, deviations: np.full_like(deviations[None], 99),
    )
    monkeypatch.setattr(
        "training.word2vec.export.quantized_table.unit_row_scales", lambda codes, scales: np.ones((len(codes), 1))
    )
    with pytest.raises(ExportError, match=r"scores differ from float32 by up to .* \(limit for int8: 0.03\); nothing"):
        export(generate_vectors(ROWS, SIZE), settings(tmp_path))
    assert not list((tmp_path / "models").iterdir())


@pytest.mark.parametrize("suffix", ["txt", "txt.gz"])
@pytest.mark.parametrize("format", ["word2vec-text", "word2vec-binary", "glove"])
def test_a_file_becomes_the_same_bundle_as_its_vectors(
    format: Any, suffix: str, exported: Exported, tmp_path: Path
) -> None:
    path = tmp_path / f"vectors.{suffix}"
    write_vectors(generate_vectors(ROWS, SIZE), path, format=format)
    imported = import_vectors(path, settings(tmp_path, normalizer="lower", licence="CC0-1.0"))
    bundle = imported.exported.bundle
    assert (imported.format, imported.skipped, imported.exported.words) == (format, 0, ROWS)
    for name in ("model.onnx", "vocabulary.txt"):
        assert bundle.file(name).read_bytes() == exported.bundle.file(name).read_bytes()
    np.testing.assert_array_equal(np.load(bundle.file("weights.npy")), word_weights(ROWS, None))
    assert bundle.manifest.provenance.data == path.name
    assert bundle.manifest.provenance.licence == "CC0-1.0"
    assert bundle.manifest.provenance.seed is None


def test_a_bad_file_leaves_nothing_and_bad_rows_can_be_skipped(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt.gz"
    path.write_bytes(gzip.compress(b"king 1 2\nQueen 2 1\nqueen 3 1\nking 0 1\nman 1\nwoman 2 2\n"))
    with pytest.raises(DatasetError, match=r"vectors\.txt\.gz:4: the word 'king' stands in the file twice"):
        import_vectors(path, settings(tmp_path, normalizer="lower"))
    assert not list((tmp_path / "models").iterdir())
    imported = import_vectors(path, settings(tmp_path, normalizer="lower", data="my data"), skip_bad=True)
    assert (imported.skipped, imported.exported.dropped, imported.exported.words) == (2, 1, 3)
    assert imported.exported.bundle.file("vocabulary.txt").read_text() == "king\nqueen\nwoman\n"
    assert imported.exported.bundle.manifest.provenance.data == "my data"


@pytest.mark.parametrize("precision", ["int8", "fp16"])
@pytest.mark.usefixtures("outside")
def test_an_approximate_index(precision: Any, exported: Exported, tmp_path: Path) -> None:
    pytest.importorskip("usearch")
    result = export(
        generate_vectors(ROWS, SIZE), settings(tmp_path, normalizer="lower", index="hnsw", precision=precision)
    )
    assert preprocessing(result.bundle).index == result.index
    assert result.index is not None
    assert (result.index.file, result.index.expansion) == ("index.usearch", 64)
    assert result.index.recall is not None
    assert result.index.recall >= 0.95
    assert result.index_words_per_second is not None
    assert result.bundle.file("index.usearch").stat().st_size > ROWS * SIZE
    assert "usearch" in result.bundle.manifest.provenance.libraries
    assert "approximate (HNSW" in result.bundle.model_card()
    if precision == "int8":
        _check_same_samples(result.bundle, exported.bundle)


def test_only_large_tables_get_an_index_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.word2vec.export.ann_index.MAX_EXACT_ROWS", ROWS)
    assert export(generate_vectors(ROWS, SIZE), settings(tmp_path)).index is None
    monkeypatch.setattr("training.word2vec.export.ann_index.MAX_EXACT_ROWS", ROWS - 1)
    assert export(generate_vectors(ROWS, SIZE), settings(tmp_path, index="none")).index is None
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        ExportError, match=r"300 words needs usearch; .* install -c constraints.txt '.\[ann\]', or .* --index none"
    ):
        export(generate_vectors(ROWS, SIZE), settings(tmp_path))


def test_a_word_is_not_its_own_neighbor() -> None:
    scores = np.array([[1, 0.5, 0.2], [0.9, 0.8, 0.7]], np.float32)
    indices = np.array([[4, 1, 2], [1, 0, 2]])
    other_scores, others = without_self(scores, indices, np.array([1, 9]))
    assert others.tolist() == [[4, 2], [1, 0]]
    np.testing.assert_allclose(other_scores, [[1, 0.2], [0.9, 0.8]])
    assert overlap(np.array([[1, 2], [3, 4]]), np.array([[2, 9], [4, 3]])) == 0.75
    assert orjson.loads(orjson.dumps(overlap(np.zeros((3, 0), np.int64), np.zeros((3, 0), np.int64)))) == 1
