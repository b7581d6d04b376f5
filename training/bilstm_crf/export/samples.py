"""Sample requests of a tagger's bundle: texts and tokens whose tags are stable under noise on the emissions."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import JsonValue

from service.bundle.files import Sample
from service.tasks.token_classification.features import EMISSIONS
from training.bilstm_crf.data.dataset import TaggedData
from training.bilstm_crf.segmentation import raw_sentences
from training.common.errors import ConfigError
from training.common.files import split_lines
from training.common.samples import Noise, SampleAnswers

NOISE = Noise(output=EMISSIONS, amplitude=1e-2, seeds=8)
_SAMPLE_TEXTS = 5

_TEXTS = (
    "Ada Lovelace met Charles Babbage in London in 1833. She wasn't yet eighteen, and he'd just shown his new machine!",
    "Zoë drank a café au lait in Montréal ☕ — it cost $4.50. 👩‍🔬 Dr. Müller, of the University of Oslo, paid.",
    "Write to info@example.org or see https://example.org/help?page=2 before Friday :)",
    "The cat sat on the mat.",
    "IBM and the BBC opened well-known offices in New York, Rio de Janeiro and Tokyo.",
)
_SENTENCES = (
    ("The", "Nile", "flows", "through", "Egypt", "to", "the", "sea", "."),
    ("Marie", "Curie", "won", "two", "Nobel", "Prizes", "."),
    ("Yes", "!"),
    ("I", "do", "n't", "know", "where", "Peter", "lives", ",", "but", "Anna", "does", "."),
)


def read_sample_texts(path: Path, option: str = "--sample-texts") -> tuple[str, ...]:
    """The texts of a file, one a line.

    Args:
        path: the file.
        option: what named it, for messages.

    Raises:
        ConfigError: it cannot be read, or has no text.
    """
    try:
        texts = tuple(filter(None, map(str.strip, split_lines(path.read_bytes().decode("utf-8-sig")))))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{option} {path}: cannot be read ({error}); name a file of UTF-8 text") from error
    if not texts:
        raise ConfigError(f"{option} {path}: is empty; it needs a text on each line")
    return texts


def dev_texts(data: TaggedData) -> tuple[str, ...]:
    """Some dev sentences as they were written, for a tagger of any language."""
    raw = raw_sentences(data.splits["dev"])
    step = max(1, len(raw) // _SAMPLE_TEXTS)
    return tuple(sentence.text for sentence in raw[::step][:_SAMPLE_TEXTS])


def make_samples(answers: SampleAnswers, texts: Sequence[str] = ()) -> list[Sample]:
    """One text, several texts of which one is empty, and lists of tokens of which one is empty.

    Args:
        answers: answers them.
        texts: the texts, of which the tokens are made too; by default English ones.
    """
    first, *others = _stable(answers, "texts", texts or _TEXTS)
    sentences = _stable(answers, "tokens", _tokens(answers, texts) if texts else [list(words) for words in _SENTENCES])
    return [
        answers.sample({"text": first}),
        answers.sample({"texts": [*others, " \n"]}),
        answers.sample({"tokens": [*sentences, []]}),
    ]


def _tokens(answers: SampleAnswers, texts: Sequence[str]) -> list[JsonValue]:
    """The tokens of each text's first sentence."""
    sentences: list[JsonValue] = []
    for text in texts:
        (result,) = answers.answer({"text": text})
        end = result["sentences"][0]["end"]
        sentences.append([token["text"] for token in result["tokens"] if token["end"] <= end])
    return sentences


def _stable(answers: SampleAnswers, field: str, candidates: Sequence[JsonValue]) -> list[JsonValue]:
    """The candidates with stable tags; all of them if none has."""
    return [candidate for candidate in candidates if answers.is_stable({field: [candidate]})] or list(candidates)
