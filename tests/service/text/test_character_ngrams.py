"""Character n-grams and their buckets, compared to gensim's implementation of fastText's hash."""

import pytest

from service.text import CharacterNgrams

# gensim 4.4.0: ft_ngram_hashes(word, min_ngram, max_ngram, buckets), which agrees with fastText's Dictionary.
KNOWN = [
    (
        "where", 3, 6, 2_000_000,
        [167652, 989715, 1526707, 1071586, 420941, 312621, 969176, 121234, 1473420, 1540811, 114991, 1529033, 1568469,
         867498],
    ),
    (
        "Straße", 3, 6, 2_000_000,
        [251364, 102178, 1416569, 1669635, 31408, 1522051, 623629, 1373880, 963910, 733376, 90303, 1020947, 1840342,
         1392329, 1151573, 910809, 31141, 679512],
    ),
    ("日本語", 3, 6, 1000, [587, 581, 609, 559, 923, 355]),
]  # fmt: skip


@pytest.mark.parametrize(("word", "min_ngram", "max_ngram", "buckets", "expected"), KNOWN)
def test_buckets_are_those_of_fasttext(
    word: str, min_ngram: int, max_ngram: int, buckets: int, expected: list[int]
) -> None:
    ngrams = CharacterNgrams(min_ngram=min_ngram, max_ngram=max_ngram, buckets=buckets)
    assert ngrams.buckets_of(word) == expected


def test_the_hash_is_fnv_1a_over_sign_extended_bytes() -> None:
    whole = 1 << 32  # as many buckets as hashes: the bucket is the hash
    ngrams = CharacterNgrams(min_ngram=3, max_ngram=3, buckets=whole)
    assert ngrams.buckets_of("a") == [_fnv(b"<a>")]
    assert ngrams.buckets_of("wh") == [1048167652, _fnv(b"wh>")]  # gensim: ft_hash_bytes(b"<wh")
    assert ngrams.buckets_of("ße")[-1] == 2436679512  # gensim: ft_hash_bytes("ße>".encode())
    assert ngrams.buckets_of("ße")[-1] != _fnv("ße>".encode())


def _fnv(text: bytes) -> int:
    """FNV-1a, which differs from fastText's hash where a byte is above 127."""
    value = 2166136261
    for byte in text:
        value = (value ^ byte) * 16777619 % (1 << 32)
    return value


@pytest.mark.parametrize(("word", "min_ngram", "count"), [("a", 3, 1), ("a", 4, 0), ("", 3, 0), ("ab", 1, 2 + 3 + 2)])
def test_words_shorter_than_all_ngrams_have_none(word: str, min_ngram: int, count: int) -> None:
    ngrams = CharacterNgrams(min_ngram=min_ngram, max_ngram=max(min_ngram, 3), buckets=100)
    assert len(ngrams.buckets_of(word)) == count


def test_an_ngram_that_occurs_twice_counts_twice() -> None:
    ngrams = CharacterNgrams(min_ngram=3, max_ngram=3, buckets=1 << 32)
    buckets = ngrams.buckets_of("banana")
    assert len(buckets) == 6
    assert len(set(buckets)) == 5


def test_a_lone_surrogate_of_json_is_no_error() -> None:
    assert CharacterNgrams(min_ngram=3, max_ngram=6, buckets=10).buckets_of("a\ud800")
