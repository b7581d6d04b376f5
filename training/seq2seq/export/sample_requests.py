"""The requests of a translator's `samples.json`, which the predictor that serves answers.

Texts are preferred whose translations stay the same under noise on the log-probabilities: `samples.json` is replayed on
other machines, whose floating-point arithmetic differs in the last bits.
"""

from collections.abc import Sequence

from pydantic import JsonValue

from service.decoding.graph_io import LOG_PROBS
from service.tasks.translation import TranslationPredictor
from training.common.samples import Noise, SampleAnswers

NOISE = Noise(output=LOG_PROBS, amplitude=0.02, seeds=6)

_TEXTS = {
    "en": (
        "Where is the nearest station?",
        "I have two brothers and a sister.",
        "She has been learning German for three years. It isn't easy! ☕",
        "What time is it?",
        "He didn't want to go to school because it was raining.",
        "Could you please help me carry this suitcase?",
        "I'd like a cup of coffee.",
        "The book on the table belongs to my father.",
        "My friend lives in Berlin.",
        "We will meet again tomorrow at the office.",
    ),
    "de": (
        "Wo ist der nächste Bahnhof?",
        "Ich habe zwei Brüder und eine Schwester.",
        "Sie lernt seit drei Jahren Englisch. Das ist nicht leicht! ☕",
        "Wie spät ist es?",
        "Er wollte nicht zur Schule gehen, weil es regnete.",
        "Könnten Sie mir bitte helfen, diesen Koffer zu tragen?",
        "Ich hätte gern eine Tasse Kaffee.",
        "Das Buch auf dem Tisch gehört meinem Vater.",
        "Mein Freund wohnt in Berlin.",
        "Wir sehen uns morgen im Büro wieder.",
    ),
}
"""By source language; for other languages dev sentences are taken."""

_DEV_TEXTS = 20
_TEXTS_IN_A_REQUEST = 4


def sample_requests(answers: SampleAnswers, dev: Sequence[str]) -> list[dict[str, JsonValue]]:
    """Four requests: one text; several of which one is empty; a greedy one; and one with an alternative and alignment.

    Args:
        answers: the answers of the bundle's draft, with `NOISE`.
        dev: sentences of the source language.
    """
    predictor = answers.predictor
    assert isinstance(predictor, TranslationPredictor)
    languages: dict[str, JsonValue] = {**predictor.selectors}
    texts = _TEXTS.get(predictor.preprocessing.source, tuple(dict.fromkeys(dev))[:_DEV_TEXTS])
    greedy: dict[str, JsonValue] = {"beam_size": 1}
    all_fields: dict[str, JsonValue] = {"alternatives": 1, **({"alignment": True} if predictor.attention else {})}

    def stable(candidates: Sequence[str], **fields: JsonValue) -> Sequence[str]:
        """The texts whose answers are stable; all if none is."""
        return [text for text in candidates if answers.is_stable({**languages, "text": text, **fields})] or candidates

    first, *others = stable(texts)[: _TEXTS_IN_A_REQUEST + 1]
    return [
        {**languages, "text": first},
        {**languages, "texts": [*others, " \n"]},
        {**languages, "text": stable(texts[len(texts) // 2 :], **greedy)[0], **greedy},
        {**languages, "text": stable(texts[::-1], **all_fields)[0], **all_fields},
    ]
