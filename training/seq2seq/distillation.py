"""Translates a corpus with a translator and writes the pairs, to train another one on them.

The translations of the training sentences are what sequence-level knowledge distillation trains on (Kim and Rush 2016,
section 3.2); beside the pairs themselves, and with those of the other direction, they diversify the data (Nguyen et al.
2020). Those of other sentences are forward translation or, with the columns swapped, back-translation (Sennrich et al.
2016).
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol

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
from training.seq2seq.data.dataset import ParallelData
from training.seq2seq.data.sources import load_data
from training.seq2seq.data.train_dev_split import fold
from training.seq2seq.initialization import is_bundle
from training.seq2seq.metrics import sentence_chrf
from training.seq2seq.search import translate
from training.seq2seq.translator import load_translator

_SENTENCES = 256
"""Sentences that are translated together, and written before the next are begun."""

TranslateSentences = Callable[[Sequence[str]], list[str]]


class TranslationFilter(Protocol):
    """Chooses the translations that are worth training on."""

    def keeps(self, sentences: Sequence[str], translations: Sequence[str]) -> list[bool]:
        """Whether each sentence and its translation are kept."""
        ...


class NearReference(NamedTuple):
    """Leaves out translations that are a reference or the sentence itself, case and punctuation aside, and those that
    are unlike all references."""

    references: Mapping[str, Collection[str]]
    """The translations of each sentence in the data set."""
    min_chrf: float
    """The least chrF2 of a translation with the closest reference, 0 to 100."""

    def keeps(self, sentences: Sequence[str], translations: Sequence[str]) -> list[bool]:
        """Whether each translation is kept; never that of a sentence without references."""
        return [
            self._keeps(sentence, translation, self.references.get(sentence, ()))
            for sentence, translation in zip(sentences, translations, strict=True)
        ]

    def _keeps(self, sentence: str, translation: str, references: Collection[str]) -> bool:
        folded = fold(translation)
        return folded not in ("", fold(sentence), *map(fold, references)) and any(
            sentence_chrf(translation, reference) >= self.min_chrf for reference in references
        )


class RoundTrip(NamedTuple):
    """Leaves out what another translator does not translate back to about the same sentence."""

    translate_back: TranslateSentences
    """Translates from the target language to the source language."""
    min_chrf: float
    """The least chrF2 of a sentence, 0 to 100, between it and its translation's translation."""

    def keeps(self, sentences: Sequence[str], translations: Sequence[str]) -> list[bool]:
        """Whether each pair is kept."""
        back = iter(self.translate_back([translation for translation in translations if translation]))
        returned = [next(back) if translation else "" for translation in translations]
        return [sentence_chrf(*pair) >= self.min_chrf for pair in zip(returned, sentences, strict=True)]


def translate_corpus(
    translate_batch: TranslateSentences,
    sentences: Sequence[str],
    path: Path,
    *,
    swap: bool,
    filters: Sequence[TranslationFilter] = (),
) -> int:
    """Write a line for each pair that is kept: the sentence, a tab, its translation. Returns their number.

    A file that is there already is continued after its last line; its lines must be those of earlier sentences. A line
    that a kill left incomplete is written again.

    Args:
        translate_batch: translates sentences.
        sentences: cleaned; those that are empty are left out.
        path: the file.
        swap: whether the translation comes first.
        filters: applied in order; only pairs that all of them keep are written.

    Raises:
        DatasetError: the file holds something else.
    """
    sentences = [sentence for sentence in sentences if sentence]
    done = _translated(path, sentences, swap=swap)
    remaining, count = iter(sentences[done:]), 0
    append_text(path, "")  # a file that cannot be written is refused before the first sentence
    with progress_bar(total=len(sentences), description="translating", unit="sentences") as progress:
        progress.update(done)
        while batch := list(islice(remaining, _SENTENCES)):
            translations = [clean(text) for text in translate_batch(batch)]
            pairs = _kept(list(zip(batch, translations, strict=True)), filters)
            append_text(path, "".join("\t".join(pair[::-1] if swap else pair) + "\n" for pair in pairs))
            count += len(pairs)
            progress.update(len(batch))
    return count


def _kept(pairs: list[tuple[str, str]], filters: Sequence[TranslationFilter]) -> list[tuple[str, str]]:
    for translation_filter in filters:
        sentences, translations = ([pair[side] for pair in pairs] for side in (0, 1))
        keeps = translation_filter.keeps(sentences, translations)
        pairs = [pair for pair, keep in zip(pairs, keeps, strict=True) if keep]
    return pairs


def _translated(path: Path, sentences: Sequence[str], *, swap: bool) -> int:
    """The number of sentences up to that of the file's last line; an incomplete last line is cut off."""
    if not path.exists():
        return 0
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    position = 0
    for line in lines(whole, str(path)):
        cells = line.split("\t")
        try:
            position = sentences.index(cells[swap] if len(cells) == 2 else "", position) + 1
        except ValueError:
            raise DatasetError(f"{path}: holds other sentences than those to translate; name a new file") from None
    if len(whole) < len(content):
        write_bytes(path, whole)
    return position


def read_sentences(
    data: ParallelData | None, text: str, language: str, excluded: str = "", min_words: int = 1
) -> list[str]:
    """The training sentences of a data set, or the lines of a file, cleaned, each once.

    Args:
        data: the data set; None for a file.
        text: path or address of the file.
        language: the language of the sentences.
        excluded: name of a data set whose sentences are left out, of all its splits, case and punctuation aside; empty
            for none.
        min_words: shorter sentences are left out.

    Raises:
        ConfigError: the excluded data set has another source language.
        DatasetError: the file cannot be read.
    """
    if data:
        sentences = [pair.source for pair in data.splits["train"]]
    else:
        sentences = [clean(line) for line in utf_8_lines(unpacked(read_file(text), text), text)]
    known: set[str] = set()
    if excluded:
        splits = load_data_in(language, "--except", excluded).splits.values()
        known = {fold(pair.source) for pairs in splits for pair in pairs}
    long_enough = [sentence for sentence in dict.fromkeys(sentences) if len(sentence.split()) >= min_words]
    return [sentence for sentence in long_enough if fold(sentence) not in known]


def load_data_in(language: str, option: str, name: str) -> ParallelData:
    """A data set whose source is in a language.

    Raises:
        ConfigError: the data set, which the option names, has another source language.
    """
    data = load_data(DataConfig(data=name))
    if data.source != language:
        raise ConfigError(f"{option} {name}: its source is {data.source}; the translator reads {language}")
    return data


def near_reference(data: ParallelData, min_chrf: float) -> NearReference:
    """What compares translations with those of the training pairs of a data set."""
    references: dict[str, set[str]] = {}
    for pair in data.splits["train"]:
        references.setdefault(pair.source, set()).add(pair.target)
    return NearReference(references, min_chrf)


def open_round_trip(path: Path, language: str, min_chrf: float) -> RoundTrip:
    """What checks translations with a run or bundle that translates them back to a language, greedily.

    Raises:
        ConfigError: the bundle cannot be used, or translates from that language.
        RunError: there is no run.
        CheckpointError: the run has no weights.
    """
    translate_back, source = open_model(path, 1)
    if source == language:
        raise ConfigError(f"--back {path}: reads {source}, as the translator does; name one of the other direction")
    return RoundTrip(translate_back, min_chrf)


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
