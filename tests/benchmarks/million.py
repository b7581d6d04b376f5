"""Generates a million word vectors from a smaller set, and measures the speed of nearest neighbor search in them.

Pure noise would not do, as it has no neighbors. Each generated vector is a real one, embedded in the requested number
of dimensions and perturbed to a cosine between 0.7 and 0.9 to the original. The file goes through the regular import:

    python tests/benchmarks/million.py generate SOURCE million.bin --rows 1000000 --dimensions 300
    python tests/benchmarks/million.py build million.bin MODELS
    python tests/benchmarks/million.py measure MODELS/million/1 million.bin

SOURCE is a file of word vectors, a bundle or a word2vec run. The same seed gives the same file. `measure` searches the
ten nearest words of one word at a time, in this process: by the predictor with and without the index, and by gensim.
"""

import argparse
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from service.bundle.files import Bundle, read_bundle
from service.limits import Limits
from service.runtime.session import session_opener
from service.tasks import load_predictor
from training.common.vectors import WordVectors
from training.common.vectors.loading import load_vectors_from
from training.word2vec.export.bundle import BundleSettings
from training.word2vec.export.import_vectors import import_vectors

MAX_COSINE, MIN_COSINE = 0.9, 0.7
"""Largest and smallest cosine of a generated vector to its parent."""

_BLOCK = 10_000


def generate(source: WordVectors, path: Path, *, rows: int, dimensions: int, seed: int) -> None:
    """Write `rows` generated words, such as `paris_000123`, as a word2vec binary file.

    Args:
        source: the parents, drawn uniformly.
        path: of the file.
        rows: number of vectors.
        dimensions: of the vectors, at least those of the source, which are embedded in a random subspace.
        seed: of the random numbers.
    """
    random = np.random.default_rng(seed)
    basis = np.linalg.qr(random.normal(size=(dimensions, source.dimensions)))[0].T.astype(np.float32)
    parents = source.unit()
    with path.open("wb") as stream:
        stream.write(f"{rows} {dimensions}\n".encode())
        for start in range(0, rows, _BLOCK):
            count = min(_BLOCK, rows - start)
            drawn = random.integers(len(source), size=count)
            vectors = perturb(parents[drawn] @ basis, random)
            for number, (parent, row) in enumerate(zip(drawn, vectors, strict=True), start):
                stream.write(f"{source.words[parent]}_{number:06} ".encode() + row.tobytes() + b"\n")


def perturb(parents: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """Move unit vectors [n, D] in random directions to unit vectors at a cosine of 0.7 to 0.9."""
    noise = random.normal(size=parents.shape).astype(np.float32)
    noise -= np.einsum("nd,nd->n", noise, parents)[:, None] * parents
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    cosines = random.uniform(MIN_COSINE, MAX_COSINE, size=(len(parents), 1)).astype(np.float32)
    perturbed: NDArray[np.float32] = cosines * parents + np.sqrt(1 - cosines**2) * noise
    return perturbed


def _generate(options: argparse.Namespace) -> None:
    source = load_vectors_from(options.source)
    if options.dimensions < source.dimensions:
        raise SystemExit(f"--dimensions {options.dimensions}: the source has {source.dimensions}; ask for as many")
    generate(source, options.out, rows=options.rows, dimensions=options.dimensions, seed=options.seed)
    print(f"{options.out}: {options.rows:,} x {options.dimensions}, from {len(source):,} words of {options.source}")


def _build(options: argparse.Namespace) -> None:
    start = time.perf_counter()
    settings = BundleSettings(
        name="million", repository=options.models, precision=options.precision, index=options.index
    )
    exported = import_vectors(options.file, settings).exported
    seconds = time.perf_counter() - start
    index, parity = exported.index, exported.parity
    print(f"{exported.bundle.path}: {exported.words:,} x {exported.dimensions}, {options.precision}, {seconds:.0f} s")
    if index is not None and exported.index_words_per_second is not None:
        index_seconds = exported.words / exported.index_words_per_second
        print(f"  of these {index_seconds:.0f} s for the index, {exported.index_words_per_second:,.0f} words/s")
        print(f"  recall@10 {index.recall} with {index.expansion} candidates")
    print(
        f"  scores within {parity.greatest_difference:.2g} of float32, {parity.overlap:.1%} of the ten nearest the same"
    )
    print(f"  peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB")


def _measure(options: argparse.Namespace) -> None:
    bundle = read_bundle(options.bundle)
    words = bundle.file("vocabulary.txt").read_text(encoding="utf-8").split("\n")[:-1]
    rows = np.random.default_rng(options.seed).choice(len(words), min(options.queries, len(words)), replace=False)
    queries = [words[row] for row in rows]
    del words
    exact = _timed("exact", _served(_without_index(bundle), options.threads), queries[: options.exact_queries])
    approximate = _timed("with the index", _served(bundle, options.threads), queries)
    _show_recall("the index to exact search", exact, approximate)
    if options.file is not None:
        start = time.perf_counter()
        # Imported only now, so that its memory does not count for the measurements above.
        from gensim.models import KeyedVectors

        vectors = KeyedVectors.load_word2vec_format(str(options.file), binary=True)
        print(f"gensim read the file in {time.perf_counter() - start:.0f} s")
        theirs = _timed(
            "gensim", lambda word: [name for name, _ in vectors.most_similar(word, topn=10)], queries[: len(exact)]
        )
        _show_recall("exact search to gensim's", theirs, exact)


def _without_index(bundle: Bundle) -> Bundle:
    changed = bundle.manifest.preprocessing | {"index": None}
    return Bundle(path=bundle.path, manifest=bundle.manifest.model_copy(update={"preprocessing": changed}))


def _served(bundle: Bundle, threads: int) -> Callable[[str], list[str]]:
    predictor = load_predictor(bundle, session_opener(("CPUExecutionProvider",), threads, strict=True), Limits())

    def nearest(word: str) -> list[str]:
        answer = predictor.answer({"words": [word], "k": 10}, "/v1/neighbors")
        return [entry["word"] for entry in answer["results"][0]["neighbors"]]

    return nearest


def _timed(label: str, nearest: Callable[[str], list[str]], words: Sequence[str]) -> list[list[str]]:
    """Find the ten nearest of each word; prints the latency per word, and the memory of the process afterwards."""
    for word in words[:5]:
        nearest(word)
    results, seconds = [], []
    for word in words:
        start = time.perf_counter()
        results.append(nearest(word))
        seconds.append(time.perf_counter() - start)
    p50, p99 = np.percentile(seconds, [50, 99]) * 1e3
    print(f"{label}: {len(words):,} words, p50 {p50:.2f} ms, p99 {p99:.2f} ms; {_memory()}")
    return results


def _show_recall(label: str, expected: list[list[str]], actual: list[list[str]]) -> None:
    pairs = list(zip(expected, actual, strict=False))
    recall = np.mean([len(set(left) & set(right)) / len(left) for left, right in pairs])
    print(f"recall@10 of {label}: {recall:.4f} ({len(pairs):,} words)")


def _memory() -> str:
    """The memory of this process: anonymous, and mapped files, which worker processes share."""
    lines = Path("/proc/self/status").read_text().splitlines()
    kib = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines) if "kB" in rest}
    return f"{kib['RssAnon'] >> 10:,} MiB own, {kib['RssFile'] >> 10:,} MiB of mapped files"


def main() -> None:
    """Run one of the commands in the module docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("generate", help="generate the vectors")
    command.add_argument("source", type=Path)
    command.add_argument("out", type=Path)
    command.add_argument("--rows", type=int, default=1_000_000)
    command.add_argument("--dimensions", type=int, default=300)
    command.add_argument("--seed", type=int, default=1)
    command.set_defaults(run=_generate)
    command = commands.add_parser("build", help="import the file, with an index")
    command.add_argument("file", type=Path)
    command.add_argument("models", type=Path)
    command.add_argument("--precision", choices=("int8", "fp16"), default="int8")
    command.add_argument("--index", choices=("hnsw", "none"), default="hnsw", help="none: searched exactly (hnsw)")
    command.set_defaults(run=_build)
    command = commands.add_parser("measure", help="time the ten nearest words")
    command.add_argument("bundle", type=Path)
    command.add_argument("file", type=Path, nargs="?", help="for gensim; left out, only the predictor is measured")
    command.add_argument("--queries", type=int, default=2000)
    command.add_argument("--exact-queries", type=int, default=200, help="for exact search and gensim")
    command.add_argument("--threads", type=int, default=1, help="of onnxruntime")
    command.add_argument("--seed", type=int, default=1)
    command.set_defaults(run=_measure)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
