"""`python -m training <family> train|evaluate|export|…`, also installed as `lectern-train`."""

import argparse
import importlib
import importlib.util
import sys
from collections.abc import Collection, Sequence

from service import __version__
from service.command_line import CommandParser, spellings
from service.completion import add_completion_command
from service.errors import ConfigurationError
from service.output import discard_output, open_standard_streams

_REQUIRED = (
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

_REQUIRED_FOR_VECTORS = ("onnx", "onnxruntime", "tqdm")
"""What `word2vec import` and `convert` require: neither trains anything, so they run without PyTorch."""

FAMILIES = {
    "lenet": "LeNet-5: classify images of digits or other small pictures",
    "bilstm_crf": "BiLSTM-CRF: tag words (parts of speech, named entities, …)",
    "word2vec": "word2vec: train or import word vectors",
    "seq2seq": "seq2seq: train a translator (LSTM with attention)",
}
"""Help by family; `training/<family>/cli.py` holds its `FAMILY` record. A new family is a new line here."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 I/O error, 2 wrong use, 130 or 143 interrupted."""
    open_standard_streams()
    arguments = list(sys.argv[1:] if argv is None else argv)
    requested = next((word for word in arguments if not word.startswith("-")), "")
    families = FAMILIES if requested == "completion" else [name for name in FAMILIES if requested in _names(name)]
    missing = [name for name in _required(arguments) if importlib.util.find_spec(name) is None]
    if families and missing:
        extra = "'.[train,cpu]'" if "onnxruntime" in missing else "'.[train]'"
        command = f"pip install -c constraints.txt {extra}"
        print(f"lectern-train: {missing[0]} is not installed; in Lectern's folder run: {command}", file=sys.stderr)
        return 2
    try:
        options = _parser(families).parse_args(arguments)
        if options.family == "completion":
            return int(options.run(options))
        from training.common.commands import run_command

        return run_command(options)
    except ConfigurationError as error:
        print(f"lectern-train: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # The reader of the output, such as `head`, has exited.
        discard_output()
        return 0
    except KeyboardInterrupt:  # While libraries are imported; after that `run_command` knows what to say.
        print("lectern-train: interrupted (SIGINT)", file=sys.stderr)
        return 130


def _required(arguments: Sequence[str]) -> Sequence[str]:
    """The libraries that a command requires."""
    command = [word for word in arguments if not word.startswith("-")][:2]
    return _REQUIRED_FOR_VECTORS if command in (["word2vec", "import"], ["word2vec", "convert"]) else _REQUIRED


def _names(family: str) -> list[str]:
    return [family, *spellings(family)]


def _parser(families: Collection[str]) -> argparse.ArgumentParser:
    """The parser; only these families have their commands, as importing one takes seconds."""
    parser = CommandParser(prog="lectern-train", description="Train, evaluate and export models.")
    parser.add_argument("--version", action="version", version=f"lectern-train {__version__}")
    commands = parser.add_subparsers(dest="family", metavar="COMMAND", required=True)
    for name, help_text in FAMILIES.items():
        family_parser = commands.add_parser(name, aliases=spellings(name), help=help_text, description=help_text)
        if name in families:
            _configure(family_parser, name)
    add_completion_command(commands, "lectern-train", lambda: _parser(FAMILIES))
    return parser


def _configure(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the commands of a family to its parser."""
    from training.common.commands import configure

    configure(parser, importlib.import_module(f"training.{name}.cli").FAMILY)


if __name__ == "__main__":
    raise SystemExit(main())
