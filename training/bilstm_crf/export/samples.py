"""`samples.json` of a tagger: requests to /v1/tag with the answers of the graph that ships.

A sample is replayed on other machines, whose float arithmetic differs in the last bits: texts are taken whose tags stay
the same when the emissions are shaken.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from service.tasks.token_classification.decoding import Offsets, TaggedSentence, joined_offsets
from service.text import words_by_sentence
from training.bilstm_crf.export.parity import OnnxTagger

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
_SHAKEN, _BY = 8, 2e-3


def make_samples(tagger: OnnxTagger) -> list[dict[str, Any]]:
    """One text, several texts of which one is empty, and tokens: `request` and the `results` of its answer."""
    first, *texts = _steady(tagger, [(text, text, words_by_sentence(text)) for text in _TEXTS])
    sentences = _steady(tagger, [(list(words), " ".join(words), joined_offsets(words)) for words in _SENTENCES])
    nothing = tagger.tagging.result("", [], [])
    return [
        {"request": {"text": first[0]}, "results": [first[1]]},
        {
            "request": {"texts": [*(text for text, _ in texts), " \n"]},
            "results": [*(result for _, result in texts), nothing],
        },
        {
            "request": {"tokens": [*(words for words, _ in sentences), []]},
            "results": [*(result for _, result in sentences), nothing],
        },
    ]


def _steady(
    tagger: OnnxTagger, candidates: Sequence[tuple[Any, str, Sequence[Offsets]]]
) -> list[tuple[Any, dict[str, Any]]]:
    """Those whose tags are clear, with their answers; all where none is. Candidates: what is sent, as a text, cut."""
    found, clear = [], []
    random = np.random.default_rng(0)
    for given, text, offsets in candidates:
        emissions, lengths = tagger.emissions([[text[start:end] for start, end in sentence] for sentence in offsets])
        tagged = tagger.tagging.decode(emissions, lengths)
        found.append((given, tagger.tagging.result(text, offsets, tagged)))
        noise = (random.uniform(-_BY, _BY, emissions.shape).astype(np.float32) for _ in range(_SHAKEN))
        shaken = [tagger.tagging.decode(emissions + moved, lengths) for moved in noise]
        clear.append(all(_tags(other) == _tags(tagged) for other in shaken))
    return [one for one, steady in zip(found, clear, strict=True) if steady] or found


def _tags(tagged: Sequence[TaggedSentence]) -> list[list[str]]:
    return [sentence.tags for sentence in tagged]
