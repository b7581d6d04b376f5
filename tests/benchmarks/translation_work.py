"""A translator's run in eager PyTorch, one sentence at a time, timed in a process of its own for translation.py.

    python tests/benchmarks/translation_work.py RUN SENTENCES --beam-size 5 --length-penalty 1

contenders.py describes its input and output.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import torch
from contenders import serve

from service.decoding import SearchSettings
from training.common.run import Run
from training.seq2seq.config import FAMILY
from training.seq2seq.greedy import greedy
from training.seq2seq.search import translate
from training.seq2seq.translator import load_translator


def main() -> int:
    """Translate all sentences once by each search, then measure on request; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("sentences", type=Path)
    parser.add_argument("--beam-size", type=int, default=5)
    parser.add_argument("--length-penalty", type=float, default=1.0)
    parser.add_argument("--coverage-penalty", type=float, default=0.0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    translator = load_translator(Run.open(options.run, family=FAMILY))
    sentences: list[str] = json.loads(options.sentences.read_text(encoding="utf-8"))
    settings = SearchSettings(
        beam_size=options.beam_size,
        length_penalty=options.length_penalty,
        coverage_penalty=options.coverage_penalty,
    )

    def by_greedy() -> list[list[str]]:
        results = (greedy(translator.network, [translator.encode(one)], translator.device)[0] for one in sentences)
        return [[translator.target.decode(tokens)] for tokens in results]

    def by_beam() -> list[list[str]]:
        best = (translate(translator, [sentence], settings)[0][0] for sentence in sentences)
        return [[translator.target.decode(hypothesis.tokens)] for hypothesis in best]

    measures = {"greedy": by_greedy, "beam": by_beam}
    begun = time.perf_counter()
    translations = {name: run() for name, run in measures.items()}
    labels = {"greedy": "PyTorch eager, greedy", "beam": f"PyTorch eager, beam {options.beam_size}"}
    ready = {
        "about": f"torch {torch.__version__}, one thread, one sentence at a time",
        "measures": labels,
        "tags": translations["greedy"],
        "others": {"beam": translations["beam"]},
        "first": len(sentences) * len(measures) / (time.perf_counter() - begun),
    }
    print(json.dumps(ready), flush=True)
    serve(measures, len(sentences))
    return 0


if __name__ == "__main__":
    sys.exit(main())
