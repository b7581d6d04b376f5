"""`samples.json` of a translator: requests to /v1/translate with the answers of the graphs that ship.

A sample is replayed on other machines, whose float arithmetic differs in the last bits: texts are taken whose answers
stay the same when log-probabilities are shaken.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from service.decoding import search
from service.decoding.graph_io import LOG_PROBS, GraphFunction, Tensors
from service.tasks.translation.text import AnswerBuilder, TranslationPreprocessing, Truecaser, segment
from training.seq2seq.export.parity import OnnxTranslator
from training.seq2seq.translator import Translator

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
"""Of other languages dev sentences are taken."""

_SHAKEN, _BY = 6, 0.02
_SEVERAL = 4


class Sampler:
    """Answers requests as the server does.

    Args:
        served: the graphs.
        translator: for its vocabularies.
        preprocessing: the manifest's.
        capitals: of its file.
    """

    def __init__(
        self,
        served: OnnxTranslator,
        translator: Translator,
        preprocessing: TranslationPreprocessing,
        capitals: Truecaser,
    ) -> None:
        self._served = served
        self._source, self._capitals = translator.source, capitals
        self._answers = AnswerBuilder(translator.source, translator.target)
        self.attention = translator.config.network.attention != "none"
        """Whether the model has any."""
        self.preprocessing = preprocessing

    def answer(self, text: str, *, shaken: int | None = None, **wishes: Any) -> dict[str, Any]:
        """The result of one text; `shaken` is the seed of the noise, if there is to be any."""
        settings, alternatives = self.preprocessing, int(wishes.get("alternatives", 0))
        alignment = bool(wishes.get("alignment"))
        segmented = segment(
            text, self._source, settings.source, settings.max_source_tokens,
            inline_tags=self.attention, placeholders=settings.uses_placeholders, truecaser=self._capitals,
        )  # fmt: skip
        found = search(
            self._served.encode,
            self._served.step if shaken is None else _shaken(self._served.step, shaken),
            segmented.segments,
            settings.search(wishes.get("beam_size", settings.beam_size), alternatives + 1),
            wants_attention=alignment or any(map(segmented.needs_attention, range(len(segmented.segments)))),
        )
        return self._answers.build(segmented, found, alternatives=alternatives, alignment=alignment)

    def is_steady(self, text: str, **wishes: Any) -> bool:
        """Whether noise changes no text of the answer."""
        expected = _texts(self.answer(text, **wishes))
        return all(_texts(self.answer(text, shaken=seed, **wishes)) == expected for seed in range(_SHAKEN))


def make_samples(sampler: Sampler, dev: Sequence[str]) -> list[dict[str, Any]]:
    """One text, several of which one is empty, a greedy one, and one with alternatives and, if there is any, attention.

    Args:
        sampler: what answers.
        dev: sentences of the source language.
    """
    texts = _TEXTS.get(sampler.preprocessing.source, tuple(dict.fromkeys(dev))[:20])
    first, *several = _steady(sampler, texts)[: _SEVERAL + 1]
    samples = [_sample(sampler, {"text": first}), _sample(sampler, {"texts": [*several, " \n"]})]
    greedy = _steady(sampler, texts[len(texts) // 2 :], beam_size=1)[0]
    samples.append(_sample(sampler, {"text": greedy}, beam_size=1))
    wishes = {"alternatives": 1, **({"alignment": True} if sampler.attention else {})}
    samples.append(_sample(sampler, {"text": _steady(sampler, texts[::-1], **wishes)[0]}, **wishes))
    return samples


def _steady(sampler: Sampler, texts: Sequence[str], **wishes: Any) -> Sequence[str]:
    """Those whose answers are clear; all where none is."""
    return [text for text in texts if sampler.is_steady(text, **wishes)] or texts


def _sample(sampler: Sampler, given: dict[str, Any], **wishes: Any) -> dict[str, Any]:
    settings = sampler.preprocessing
    texts = given.get("texts") or [given["text"]]
    request = {"source": settings.source, "target": settings.target, **given, **wishes}
    return {"request": request, "results": [sampler.answer(text, **wishes) for text in texts]}


def _texts(result: dict[str, Any]) -> list[Any]:
    """What must be the same on every machine."""
    pieces = [sentence["target_tokens"] for sentence in result.get("sentences", [])]
    return [result["text"], [other["text"] for other in result["alternatives"]], pieces]


def _shaken(step: GraphFunction, seed: int) -> GraphFunction:
    """The step with noise on its log-probabilities."""
    random = np.random.default_rng(seed)

    def run(feeds: Tensors) -> Tensors:
        outputs = dict(step(feeds))
        noise = random.uniform(-_BY, _BY, outputs[LOG_PROBS].shape).astype(np.float32)
        return {**outputs, LOG_PROBS: outputs[LOG_PROBS] + noise}

    return run
