"""Per-epoch data augmentation: fragments, placeholders and extracted phrases."""

from collections.abc import Sequence

import numpy as np
import sentencepiece

from service.tasks.translation.subwords import PLACEHOLDER, Subwords, clean
from training.common.errors import ConfigError
from training.common.seed import derive_seed
from training.seq2seq.config import TranslatorConfig
from training.seq2seq.data.augment_fragments import FragmentAugmenter
from training.seq2seq.data.augment_placeholders import PlaceholderAugmenter
from training.seq2seq.data.batches import EncodedPair
from training.seq2seq.data.dataset import Pair
from training.seq2seq.data.phrase_extraction import PhraseSampler, extract_phrases


class Augmentation:
    """Makes the encoded training pairs of each epoch.

    Args:
        pairs: the training pairs.
        config: settings of the run.
        source: vocabulary of the source language.
        target: vocabulary of the target language.

    Raises:
        ConfigError: the vocabulary has the placeholder already.
    """

    def __init__(self, pairs: Sequence[Pair], config: TranslatorConfig, source: Subwords, target: Subwords) -> None:
        self._pairs, self._config = pairs, config
        self._vocabularies = source, target
        known = not (source.unknown_characters(PLACEHOLDER) and target.unknown_characters(PLACEHOLDER))
        if config.placeholders and known:
            raise ConfigError(
                "--placeholders puts U+FFFC where a word is copied, but the vocabulary was learned from pairs that "
                "have it: take it out of them, or train without --placeholders"
            )
        self._fragments = FragmentAugmenter(pairs) if config.fragments else None
        phrases = extract_phrases(pairs) if config.placeholders or config.phrases else {}
        self._placeholders = PlaceholderAugmenter(pairs, phrases) if config.placeholders else None
        self._phrases = PhraseSampler(phrases) if config.phrases else None
        # Sampled segmentations differ between epochs; others are computed once.
        self._encoded_pairs = None if config.subwords.sampling else self._encode(pairs)

    def epoch_pairs(self, epoch: int) -> list[EncodedPair]:
        """The pairs of one epoch: the training pairs, some of them replaced by augmented ones, then phrases.

        They depend on the seed and the epoch alone.
        """
        config, pairs = self._config, list(self._pairs)
        augmented: dict[int, Pair] = {}
        for augmenter, share, name in (
            (self._fragments, config.fragments, "fragments"), (self._placeholders, config.placeholders, "copies"),
        ):  # fmt: skip
            sampled = augmenter.sample(pairs, share, self._generator(name, epoch)) if augmenter else {}
            augmented |= sampled
            for index, pair in sampled.items():
                pairs[index] = pair
        phrases: list[Pair] = []
        if self._phrases:
            phrases = self._phrases.sample(round(config.phrases * len(pairs)), self._generator("phrases", epoch))
        if self._encoded_pairs is None:
            sentencepiece.set_random_generator_seed(derive_seed(config.seed, "pieces", epoch) % 2**32)
            return self._encode([*pairs, *phrases])
        result = list(self._encoded_pairs)
        for index, encoded in zip(augmented, self._encode(list(augmented.values())), strict=True):
            result[index] = encoded
        return result + self._encode(phrases)

    def _generator(self, name: str, epoch: int) -> np.random.Generator:
        return np.random.default_rng(derive_seed(self._config.seed, name, epoch))

    def _encode(self, pairs: Sequence[Pair]) -> list[EncodedPair]:
        source, target = self._vocabularies
        return [EncodedPair(self._tokens(source, pair.source), self._tokens(target, pair.target)) for pair in pairs]

    def _tokens(self, vocabulary: Subwords, text: str) -> list[int]:
        text = clean(text).lower() if self._config.data.lower_case else clean(text)
        sampling = self._config.subwords.sampling
        return vocabulary.sample(text, alpha=sampling) if sampling else vocabulary.encode(text)
