"""The pairs of an epoch: the training pairs or a share of them, augmented, and extracted phrases."""

from collections.abc import Mapping, Sequence

import numpy as np
import sentencepiece

from service.tasks.translation.subwords import PLACEHOLDER, Subwords, clean
from service.tasks.translation.text import RareWords
from training.common.errors import ConfigError
from training.common.seed import derive_seed
from training.seq2seq.config import TranslatorConfig
from training.seq2seq.data.augment_compounds import CompoundAugmenter
from training.seq2seq.data.augment_fragments import FragmentAugmenter
from training.seq2seq.data.augment_placeholders import PlaceholderAugmenter
from training.seq2seq.data.batches import EncodedPair
from training.seq2seq.data.dataset import Pair
from training.seq2seq.data.phrase_extraction import PhraseSampler
from training.seq2seq.data.rare_words import RareWordAugmenter


class Augmentation:
    """Makes the encoded training pairs of each epoch.

    Args:
        pairs: the training pairs.
        config: settings of the run.
        source: vocabulary of the source language.
        target: vocabulary of the target language.
        phrases: extracted from the pairs, with their counts; empty if no setting needs them.
        languages: source and target language.
        rare_words: finds the rare words of the source language; None if the run has no typed placeholders.

    Raises:
        ConfigError: the vocabulary has the placeholder already, or compounds are not known in the languages.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        config: TranslatorConfig,
        source: Subwords,
        target: Subwords,
        phrases: Mapping[Pair, int],
        languages: tuple[str, str],
        rare_words: RareWords | None = None,
    ) -> None:
        self._pairs, self._config = pairs, config
        self._vocabularies = source, target
        known = not (source.unknown_characters(PLACEHOLDER) and target.unknown_characters(PLACEHOLDER))
        if config.placeholders and known:
            raise ConfigError(
                "--placeholders puts U+FFFC where a word is copied, but the vocabulary was learned from pairs that "
                "have it: take it out of them, or train without --placeholders"
            )
        self._compounds = CompoundAugmenter(pairs, languages) if config.compounds else None
        self._fragments = FragmentAugmenter(pairs) if config.fragments else None
        self._placeholders = (
            PlaceholderAugmenter(pairs, phrases, source.placeholder("name")) if config.placeholders else None
        )
        self._phrases = PhraseSampler(phrases) if config.phrases else None
        self._rare_words = RareWordAugmenter(rare_words, source, target) if rare_words else None
        # Sampled segmentations differ between epochs; others are computed once.
        self._encoded_pairs = None if config.subwords.sampling else self._encode(pairs)

    def epoch_pairs(self, epoch: int) -> list[EncodedPair]:
        """The pairs of one epoch: its training pairs, some of them replaced by augmented ones, then phrases.

        They depend on the seed and the epoch alone.
        """
        config, chosen = self._config, self._chosen(epoch)
        pairs = [self._pairs[index] for index in chosen]
        augmented: dict[int, Pair] = {}
        for augmenter, share, name in (
            (self._rare_words, config.rare_words, "rare words"), (self._compounds, config.compounds, "compounds"),
            (self._fragments, config.fragments, "fragments"),
            (self._placeholders, config.placeholders, "copies"),
        ):  # fmt: skip
            sampled = augmenter.sample(pairs, share, self._generator(name, epoch)) if augmenter else {}
            augmented |= sampled
            for index, pair in sampled.items():
                pairs[index] = pair
        phrases: list[Pair] = []
        if self._phrases:
            phrases = self._phrases.sample(round(config.phrases * len(pairs)), self._generator("phrases", epoch))
        if self._rare_words:
            replaced = self._rare_words.sample(phrases, config.rare_words, self._generator("rare phrases", epoch))
            phrases = [replaced.get(index, phrase) for index, phrase in enumerate(phrases)]
        if self._encoded_pairs is None:
            sentencepiece.set_random_generator_seed(derive_seed(config.seed, "pieces", epoch) % 2**32)
            return self._encode([*pairs, *phrases])
        result = [self._encoded_pairs[index] for index in chosen]
        for index, encoded in zip(augmented, self._encode(list(augmented.values())), strict=True):
            result[index] = encoded
        return result + self._encode(phrases)

    def _chosen(self, epoch: int) -> Sequence[int]:
        """The indices of the training pairs of an epoch; epochs of a share of them take all in turn."""
        share, count = self._config.epoch_share, len(self._pairs)
        if share == 1:
            return range(count)
        # Epoch e is the part from e to e + 1 shares of one random order after another.
        begin, end = round(epoch * share * count), round((epoch + 1) * share * count)
        indices: list[int] = []
        while begin < end:
            order = self._generator("order", begin // count).permutation(count)
            part = order[begin % count : begin % count + end - begin].tolist()
            indices += part
            begin += len(part)
        return indices

    def _generator(self, name: str, epoch: int) -> np.random.Generator:
        return np.random.default_rng(derive_seed(self._config.seed, name, epoch))

    def _encode(self, pairs: Sequence[Pair]) -> list[EncodedPair]:
        source, target = self._vocabularies
        return [EncodedPair(self._tokens(source, pair.source), self._tokens(target, pair.target)) for pair in pairs]

    def _tokens(self, vocabulary: Subwords, text: str) -> list[int]:
        text = clean(text).lower() if self._config.data.lower_case else clean(text)
        sampling = self._config.subwords.sampling
        return vocabulary.sample(text, alpha=sampling) if sampling else vocabulary.encode(text)
