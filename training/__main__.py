"""`python -m training <family> train|evaluate|export|import`, also installed as `lectern-train`."""

import argparse
import importlib.util
import sys
from collections.abc import Callable, Sequence

_NEEDED = (
    "torch",
    "onnx",
    "onnxscript",
    "onnxruntime",
    "matplotlib",
    "numba",
    "sacrebleu",
    "sentencepiece",
    "sklearn",
    "tqdm",
)

Configure = Callable[[argparse.ArgumentParser], None]


def _lenet(parser: argparse.ArgumentParser) -> None:
    from training.lenet.cli import configure

    configure(parser)


def _word2vec(parser: argparse.ArgumentParser) -> None:
    from training.word2vec.cli import configure

    configure(parser)


def _bilstm_crf(parser: argparse.ArgumentParser) -> None:
    from training.bilstm_crf.cli import configure

    configure(parser)


def _seq2seq(parser: argparse.ArgumentParser) -> None:
    from training.seq2seq.cli import configure

    configure(parser)


FAMILIES: dict[str, tuple[str, Configure]] = {
    "lenet": ("LeNet-5: pictures of digits, or of anything small, to labels", _lenet),
    "bilstm_crf": ("BiLSTM-CRF: words with their tags to a tagger (parts of speech, named entities, …)", _bilstm_crf),
    "word2vec": ("word2vec: a text, or a file of vectors, to word vectors", _word2vec),
    "seq2seq": ("LSTM seq2seq with attention: pairs of sentences to a translator", _seq2seq),
}
"""Every family with its one-line help and what adds its commands. A new family is a new line here."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 2 wrong use, 1 a failure of the machine, 130 interrupted."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="lectern-train", description="Train, evaluate and export models.")
    families = parser.add_subparsers(dest="family", metavar="family", required=True)
    asked = next((word for word in arguments if not word.startswith("-")), None)
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if asked in FAMILIES and missing:
        extra = "'.[train,cpu]'" if "onnxruntime" in missing else "'.[train]'"
        command = f"pip install -c constraints.txt {extra}"
        print(f"lectern-train: {missing[0]} is not installed; in Lectern's folder run: {command}", file=sys.stderr)
        return 2
    for name, (text, configure) in FAMILIES.items():
        family = families.add_parser(name, help=text, description=text)
        if name == asked:  # others stay unimported: torch takes seconds
            configure(family)
    options = parser.parse_args(arguments)
    from training.common.cli import run_command

    return run_command(options)


if __name__ == "__main__":
    raise SystemExit(main())
