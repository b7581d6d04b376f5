"""The character n-grams of a word, hashed into buckets as fastText does (Bojanowski et al. 2017, section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass

_FNV_OFFSET, _FNV_PRIME, _MASK = 2166136261, 16777619, 0xFFFFFFFF


@dataclass(frozen=True, kw_only=True)
class CharacterNgrams:
    """Which n-grams a word has, and into how many buckets they are hashed.

    A word is read between `<` and `>`, so that prefixes and suffixes differ from the same letters within a word.
    """

    min_ngram: int
    """Characters of the shortest n-grams, 1 or more."""
    max_ngram: int
    """Characters of the longest n-grams."""
    buckets: int
    """Number of buckets; n-grams of the same bucket share a vector."""

    def buckets_of(self, word: str) -> list[int]:
        """The bucket of each n-gram of `word`; an n-gram that occurs twice is there twice, as in fastText.

        Empty for a word that is shorter than all n-grams. `<` and `>` alone are no n-grams. The hash is FNV-1a with 32
        bits over the UTF-8 bytes, which fastText sign-extends before the exclusive or.
        """
        characters = [_signed_bytes(character) for character in f"<{word}>"]
        last = len(characters) - 1
        buckets = []
        for start in range(len(characters)):
            value = _FNV_OFFSET
            for end in range(start, min(start + self.max_ngram, last + 1)):
                for byte in characters[end]:
                    value = ((value ^ byte) * _FNV_PRIME) & _MASK
                length = end - start + 1
                if length >= self.min_ngram and not (length == 1 and (start == 0 or end == last)):
                    buckets.append(value % self.buckets)
        return buckets


def _signed_bytes(text: str) -> list[int]:
    """The UTF-8 bytes of a text as 32-bit numbers with the sign of an int8."""
    # JSON may hold a lone surrogate, which UTF-8 cannot encode.
    return [byte if byte < 128 else byte | 0xFFFFFF00 for byte in text.encode("utf-8", "surrogatepass")]
