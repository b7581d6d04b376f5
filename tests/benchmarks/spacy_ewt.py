"""spaCy's tagger, for tagging.py: trained from scratch, and timed. Runs in a Python that has spaCy and not Lectern.

    PYTHON tests/benchmarks/spacy_ewt.py train FOLDER [--optimize efficiency|accuracy]
    PYTHON tests/benchmarks/spacy_ewt.py work FOLDER SENTENCES

A file of sentences holds one a line, {"words": […], "tags": […]}. FOLDER has train.jsonl and dev.jsonl, and, where
spaCy is to have word vectors too, vectors.npy and the words of its rows in vectors.txt. What `work` reads and writes is
described in contenders.py.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import spacy
from spacy.tokens import Doc, DocBin
from spacy.vectors import Vectors


def main() -> int:
    """One of the commands in this file's head; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("train")
    command.add_argument("folder", type=Path)
    command.add_argument("--optimize", choices=("efficiency", "accuracy"), default="efficiency")
    command.set_defaults(run=_train)
    command = commands.add_parser("work")
    command.add_argument("folder", type=Path)
    command.add_argument("sentences", type=Path)
    command.add_argument("--batch", type=int, default=0, help="sentences in one batch of nlp.pipe; 0: spaCy's default")
    command.set_defaults(run=_work)
    options = parser.parse_args()
    return int(options.run(options))


def _train(options: argparse.Namespace) -> int:
    """spaCy's own recipe for a tagger on a CPU: `init config`, then `train`; the best by dev is kept in model-best."""
    folder = options.folder
    for split in ("train", "dev"):
        _write_docs(folder / f"{split}.jsonl", folder / f"{split}.spacy")
    with_vectors = (folder / "vectors.npy").is_file()
    if with_vectors:
        _write_vectors(folder)
    config = folder / "config.cfg"
    making = [
        "init",
        "config",
        config,
        "--lang",
        "en",
        "--pipeline",
        "tagger",
        "--optimize",
        options.optimize,
        "--force",
    ]
    training = ["train", config, "--output", folder]
    training += ["--paths.train", folder / "train.spacy", "--paths.dev", folder / "dev.spacy"]
    # The recipe for accuracy names a model of spaCy's, with vectors, which would have to be downloaded.
    training += ["--paths.vectors", folder / "vectors" if with_vectors else "null"]
    training += ["--components.tok2vec.model.embed.include_static_vectors", str(with_vectors).lower()]
    for arguments in (making, training):
        words = [str(argument) for argument in arguments]
        print("python -m spacy", *words, flush=True)
        code = subprocess.run([sys.executable, "-m", "spacy", *words], check=False).returncode
        if code:
            return code
    return 0


def _write_docs(source: Path, target: Path) -> None:
    """The sentences as spaCy's training data. Not told of blanks between words, it keeps the words as they are."""
    vocab = spacy.blank("en").vocab
    docs = (Doc(vocab, words=one["words"], tags=one["tags"]) for one in _read(source))
    DocBin(attrs=["TAG"], docs=docs).to_disk(target)


def _write_vectors(folder: Path) -> None:
    words = (folder / "vectors.txt").read_text(encoding="utf-8").split("\n")[:-1]
    nlp = spacy.blank("en")
    for word in words:
        nlp.vocab.strings.add(word)
    nlp.vocab.vectors = Vectors(data=np.load(folder / "vectors.npy"), keys=words, strings=nlp.vocab.strings)
    nlp.to_disk(folder / "vectors")


def _work(options: argparse.Namespace) -> int:
    sentences = [sentence["words"] for sentence in _read(options.sentences)]
    words = sum(map(len, sentences))
    nlp = spacy.load(options.folder / "model-best")
    batch = options.batch or nlp.batch_size
    next(nlp.pipe([Doc(nlp.vocab, words=["Warm", "up", "."])]))
    begun = time.perf_counter()
    tags = _tagged(nlp, _docs(nlp, sentences), batch)
    first = words / (time.perf_counter() - begun)
    label = _label(nlp)
    measures = {"docs": f"{label}, its documents made before", "words": f"{label}, from words"}
    about = f"spaCy {spacy.__version__}, nlp.pipe in batches of {batch}"
    print(json.dumps({"about": about, "measures": measures, "tags": tags, "first": first}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        seconds = cpu = 0.0
        passes = 0
        while not passes or seconds < request["seconds"]:
            docs = _docs(nlp, sentences) if request["measure"] == "docs" else None
            begun, cpu_begun = time.perf_counter(), time.process_time()
            predicted = _tagged(nlp, _docs(nlp, sentences) if docs is None else docs, batch)
            seconds += time.perf_counter() - begun
            cpu += time.process_time() - cpu_begun
            passes += 1
            assert len(predicted) == len(sentences)
        print(json.dumps({"words": passes * words, "seconds": seconds, "cpu": cpu}), flush=True)
    return 0


def _docs(nlp: Any, sentences: list[list[str]]) -> list[Any]:
    return [Doc(nlp.vocab, words=words) for words in sentences]


def _tagged(nlp: Any, docs: list[Any], batch: int) -> list[list[str]]:
    return [[token.tag_ for token in doc] for doc in nlp.pipe(docs, batch_size=batch)]


def _label(nlp: Any) -> str:
    encoder = nlp.config["components"]["tok2vec"]["model"]["encode"]
    dimensions = nlp.vocab.vectors.shape[1]
    vectors = f" + {dimensions}-d vectors" if dimensions else ""
    return f"spaCy CNN {encoder['depth']} x {encoder['width']}{vectors}"


def _read(path: Path) -> list[dict[str, list[str]]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


if __name__ == "__main__":
    sys.exit(main())
