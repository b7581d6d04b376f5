"""Translates a corpus with a translator and writes the pairs, to train another one on them.

The translations of the training sentences are what sequence-level knowledge distillation trains on (Kim and Rush 2016,
section 3.2). Those of other sentences are forward translation or, with the columns swapped, back-translation (Sennrich
et al. 2016).
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from service.bundle.files import BundleError, read_bundle
from service.decoding import SearchSettings
from service.limits import Limits
from service.runtime.session import session_opener
from service.tasks import load_predictor
from service.tasks.translation import TranslationPredictor
from service.tasks.translation.subwords import clean
from training.common.errors import ConfigError, DatasetError
from training.common.files import append_text, write_bytes
from training.common.locations import read_file
from training.common.progress import progress_bar
from training.common.run import Run
from training.common.text_decoding import lines, unpacked, utf_8_lines
from training.seq2seq.config import FAMILY, DataConfig
from training.seq2seq.data.sources import load_data
from training.seq2seq.initialization import is_bundle
from training.seq2seq.search import translate
from training.seq2seq.translator import load_translator

_SENTENCES = 256
"""Sentences that are translated together, and written before the next are begun."""

TranslateSentences = Callable[[Sequence[str]], list[str]]


def translate_corpus(translate_batch: TranslateSentences, sentences: Sequence[str], path: Path, *, swap: bool) -> int:
    """Write a line for each sentence: the sentence, a tab, its translation. Returns the number of lines written now.

    A file that is there already is continued: its lines must be those of the first sentences. A line that a kill left
    incomplete is written again.

    Args:
        translate_batch: translates sentences.
        sentences: cleaned; those that are empty are left out.
        path: the file.
        swap: whether the translation comes first.

    Raises:
        DatasetError: the file holds something else.
    """
    sentences = [sentence for sentence in sentences if sentence]
    done = _written(path, sentences, swap=swap)
    remaining = iter(sentences[done:])
    append_text(path, "")  # a file that cannot be written is refused before the first sentence
    with progress_bar(total=len(sentences), description="translating", unit="sentences") as progress:
        progress.update(done)
        while batch := list(islice(remaining, _SENTENCES)):
            pairs = zip(batch, map(clean, translate_batch(batch)), strict=True)
            append_text(path, "".join("\t".join(pair[::-1] if swap else pair) + "\n" for pair in pairs))
            progress.update(len(batch))
    return len(sentences) - done


def _written(path: Path, sentences: Sequence[str], *, swap: bool) -> int:
    """The number of sentences whose lines are in the file already; an incomplete last line is cut off."""
    if not path.exists():
        return 0
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    rows = [line.split("\t") for line in lines(whole, str(path))]
    if [row[swap] if len(row) == 2 else "" for row in rows] != list(sentences[: len(rows)]):
        raise DatasetError(f"{path}: holds other sentences than those to translate; name a new file")
    if len(whole) < len(content):
        write_bytes(path, whole)
    return len(rows)


def read_sentences(data: str, text: str, language: str) -> list[str]:
    """The training sentences of a data set, or the lines of a file, cleaned, each once.

    Args:
        data: name of the data set; empty for a file.
        text: path or address of the file.
        language: the language of the sentences.

    Raises:
        ConfigError: the data set has another source language.
        DatasetError: the file cannot be read.
    """
    if data:
        corpus = load_data(DataConfig(data=data))
        if corpus.source != language:
            raise ConfigError(f"--data {data}: its source is {corpus.source}; the translator reads {language}")
        sentences = [pair.source for pair in corpus.splits["train"]]
    else:
        sentences = [clean(line) for line in utf_8_lines(unpacked(read_file(text), text), text)]
    return list(dict.fromkeys(sentences))


def open_model(path: Path, beam_size: int) -> tuple[TranslateSentences, str]:
    """What translates sentences with a run or a bundle, and the language that it reads.

    Raises:
        ConfigError: the bundle cannot be used.
        RunError: there is no run.
        CheckpointError: the run has no weights.
    """
    if is_bundle(path):
        return _open_bundle(path, beam_size)
    translator = load_translator(Run.open(path, family=FAMILY))
    settings = SearchSettings(beam_size=beam_size)

    def by_run(sentences: Sequence[str]) -> list[str]:
        return [translation.text for translation in translate(translator, sentences, settings)]

    return by_run, translator.source_language


def _open_bundle(path: Path, beam_size: int) -> tuple[TranslateSentences, str]:
    limits = Limits(max_texts=_SENTENCES, max_beam_size=max(beam_size, Limits().max_beam_size))
    try:
        predictor = load_predictor(read_bundle(path.resolve()), session_opener(("cpu",), 1, False), limits)
    except BundleError as error:
        raise ConfigError(str(error)) from error
    if not isinstance(predictor, TranslationPredictor):
        raise ConfigError(f"{path}: is a bundle of the task {predictor.manifest.task.value}, not a translator")

    def by_bundle(sentences: Sequence[str]) -> list[str]:
        return [text for group in _groups(sentences, predictor.limits.max_total_characters) for text in answers(group)]

    def answers(sentences: Sequence[str]) -> list[str]:
        results = predictor.answer({"texts": list(sentences), "beam_size": beam_size})["results"]
        return [str(result["text"]) for result in results if isinstance(result, dict)]

    return by_bundle, predictor.preprocessing.source


def _groups(sentences: Sequence[str], characters: int) -> Iterator[list[str]]:
    """Runs of sentences that together have at most this many characters, or one sentence."""
    group: list[str] = []
    for sentence in sentences:
        if group and sum(map(len, group)) + len(sentence) > characters:
            yield group
            group = []
        group.append(sentence)
    if group:
        yield group
