"""A translator in PyTorch, one sentence at a time, timed in a process of its own for translation.py.

    python tests/benchmarks/translation_work.py RUN SENTENCES --beam-size 5 --length-penalty 1
    python tests/benchmarks/translation_work.py models/translate-en-de/7 SENTENCES --compile

The weights are a run's, or those that a bundle's graphs hold. Greedy search is measured eager and, if asked for, with
the decoder's step compiled by torch.compile.

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

from service.bundle.files import read_bundle
from service.decoding import SearchSettings
from service.tasks.translation.subwords import Subwords
from service.tasks.translation.text import TranslationPreprocessing
from training.common.run import Run
from training.seq2seq.config import FAMILY
from training.seq2seq.greedy import greedy
from training.seq2seq.initialization import is_bundle, read_initial
from training.seq2seq.network.model import Seq2Seq
from training.seq2seq.search import translate
from training.seq2seq.translator import Translator, load_translator


def main() -> int:
    """Translate all sentences once by each search, then measure on request; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run, or the folder of a bundle's version")
    parser.add_argument("sentences", type=Path)
    parser.add_argument("--beam-size", type=int, default=5)
    parser.add_argument("--length-penalty", type=float, default=1.0)
    parser.add_argument("--coverage-penalty", type=float, default=0.0)
    parser.add_argument("--compile", action="store_true", help="measure greedy search by torch.compile too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    translator = _translator(options.run)
    sentences: list[str] = json.loads(options.sentences.read_text(encoding="utf-8"))
    settings = SearchSettings(
        beam_size=options.beam_size,
        length_penalty=options.length_penalty,
        coverage_penalty=options.coverage_penalty,
    )

    def by_greedy() -> list[list[str]]:
        results = (greedy(translator.network, [translator.encode(one)], translator.device)[0] for one in sentences)
        return [[translator.target.decode(tokens)] for tokens in results]

    eager = translator.network.step

    def by_compiled() -> list[list[str]]:
        translator.network.step = compiled  # type: ignore[method-assign]
        try:
            return by_greedy()
        finally:
            translator.network.step = eager  # type: ignore[method-assign]

    def by_beam() -> list[list[str]]:
        return [[translate(translator, [sentence], settings)[0].text] for sentence in sentences]

    measures = {"greedy": by_greedy, "beam": by_beam}
    labels = {"greedy": "PyTorch eager, greedy", "beam": f"PyTorch eager, beam {options.beam_size}"}
    if options.compile:
        compiled = torch.compile(eager, dynamic=True)
        measures["compiled"], labels["compiled"] = by_compiled, "PyTorch compiled, greedy"
        by_compiled()  # compiles
    begun = time.perf_counter()
    translations = {name: run() for name, run in measures.items()}
    ready = {
        "about": f"torch {torch.__version__}, one thread, one sentence at a time",
        "measures": labels,
        "tags": translations["greedy"],
        "others": {name: found for name, found in translations.items() if name != "greedy"},
        "first": len(sentences) * len(measures) / (time.perf_counter() - begun),
    }
    print(json.dumps(ready), flush=True)
    serve(measures, len(sentences))
    return 0


def _translator(path: Path) -> Translator:
    """The translator of a run, or of a bundle without what puts rare words aside."""
    if not is_bundle(path):
        return load_translator(Run.open(path, family=FAMILY))
    initial = read_initial(str(path))
    preprocessing = TranslationPreprocessing.model_validate(read_bundle(path).manifest.preprocessing)
    source, target = (Subwords.read(path / name) for name in (preprocessing.source_pieces, preprocessing.target_pieces))
    network = Seq2Seq(initial.config, source.size, target.size)
    network.load_state_dict(initial.weights)
    return Translator(initial.config, source, target, network.eval(), *initial.languages)


if __name__ == "__main__":
    sys.exit(main())
