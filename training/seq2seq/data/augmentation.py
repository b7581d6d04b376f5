"""What an epoch is shown: the pairs, some of them as fragments or with stand-ins, and phrases beside them."""

from collections.abc import Sequence

import numpy as np
import sentencepiece

from service.tasks.translation.subwords import PLACEHOLDER, Subwords, clean
from training.common.errors import ConfigError
from training.common.seed import derive
from training.seq2seq.config import TranslatorConfig
from training.seq2seq.data.augment_fragments import Fragments
from training.seq2seq.data.augment_placeholders import Copies
from training.seq2seq.data.batches import Encoded
from training.seq2seq.data.dataset import Pair
from training.seq2seq.data.phrase_extraction import Phrases, find_phrases


class Shown:
    """Makes what epochs are shown of the pairs to train on.

    Args:
        pairs: as the data have them.
        config: the run's.
        source: the vocabulary of the source.
        target: that of the target.

    Raises:
        ConfigError: the pairs have the stand-in already.
    """

    def __init__(self, pairs: Sequence[Pair], config: TranslatorConfig, source: Subwords, target: Subwords) -> None:
        self._pairs, self._config = pairs, config
        self._vocabularies = source, target
        if config.copies and not (source.unknown_characters(PLACEHOLDER) and target.unknown_characters(PLACEHOLDER)):
            raise ConfigError(
                "--copies puts U+FFFC where a word is copied, but the vocabulary was learnt from pairs that have it: "
                "take it out of them, or train without --copies"
            )
        self._fragments = Fragments(pairs) if config.fragments else None
        found = find_phrases(pairs) if config.copies or config.phrases else {}
        self._copies = Copies(pairs, found) if config.copies else None
        self._phrases = Phrases(found) if config.phrases else None
        # Sampled segmentations differ from epoch to epoch; others are found once.
        self._fixed = None if config.subwords.sampling else self._encoded(pairs)

    def in_epoch(self, epoch: int) -> list[Encoded]:
        """What that epoch is shown, the same whenever it is asked for."""
        config, pairs = self._config, list(self._pairs)
        changed: dict[int, Pair] = {}
        for way, share, name in (
            (self._fragments, config.fragments, "fragments"), (self._copies, config.copies, "copies"),
        ):  # fmt: skip
            drawn = way.drawn(pairs, share, self._draw(name, epoch)) if way else {}
            changed |= drawn
            for place, pair in drawn.items():
                pairs[place] = pair
        phrases: list[Pair] = []
        if self._phrases:
            phrases = self._phrases.drawn(round(config.phrases * len(pairs)), self._draw("phrases", epoch))
        if self._fixed is None:
            sentencepiece.set_random_generator_seed(derive(config.seed, "pieces", epoch) % 2**32)
            return self._encoded([*pairs, *phrases])
        found = list(self._fixed)
        for place, encoded in zip(changed, self._encoded(list(changed.values())), strict=True):
            found[place] = encoded
        return found + self._encoded(phrases)

    def _draw(self, name: str, epoch: int) -> np.random.Generator:
        return np.random.default_rng(derive(self._config.seed, name, epoch))

    def _encoded(self, pairs: Sequence[Pair]) -> list[Encoded]:
        source, target = self._vocabularies
        return [Encoded(self._pieces(source, pair.source), self._pieces(target, pair.target)) for pair in pairs]

    def _pieces(self, vocabulary: Subwords, text: str) -> list[int]:
        text = clean(text).lower() if self._config.data.lower_case else clean(text)
        sampling = self._config.subwords.sampling
        return vocabulary.sample(text, alpha=sampling) if sampling else vocabulary.encode(text)
