"""Trained vocabularies: lossless, reproducible, as large as the texts allow; and the scores of sacreBLEU."""

import pytest
import sacrebleu

from service.tasks.translation.subwords import Subwords
from training.common.errors import ConfigError
from training.seq2seq.data.subwords import train_subwords
from training.seq2seq.metrics import bleu, score

pytestmark = pytest.mark.torch

_WORDS = (
    "Der", "Hund", "läuft", "durch", "Wald", "und", "Wiesen", "bis", "zum", "Haus", "am", "See", "wo", "die", "Katze",
    "auf", "ihn", "wartet", "aber", "heute", "kommt", "niemand", "vorbei", "denn", "alle", "schlafen", "noch",
)  # fmt: skip
TEXTS = [
    f"Nr. {n}: {' '.join(_WORDS[n % 17 : n % 17 + n % 5 + 5])}, „{n * 37} km“ {_WORDS[n % 13]}." for n in range(60)
]


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_a_vocabulary(kind: str) -> None:
    models = [train_subwords(TEXTS, size=60, kind=kind, seed=0) for _ in range(2)]  # type: ignore[arg-type]
    assert models[0] == models[1]
    subwords = Subwords(models[0])
    assert subwords.size == 60
    assert all(subwords.decode(subwords.encode(text)) == text for text in TEXTS)
    digits = [piece for piece in map(subwords.piece, range(4, subwords.size)) if any(char.isdigit() for char in piece)]
    assert all(len(piece) == 1 for piece in digits)


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_a_small_corpus_has_fewer_pieces_than_requested(kind: str) -> None:
    subwords = Subwords(train_subwords(TEXTS, size=6000, kind=kind, seed=0))  # type: ignore[arg-type]
    assert 40 < subwords.size < 6000
    assert subwords.decode(subwords.encode(TEXTS[7])) == TEXTS[7]


def test_all_characters_must_fit() -> None:
    with pytest.raises(ConfigError, match=r"vocabulary is 32, but the texts have \d+ characters; use 1\d\d or more"):
        train_subwords(TEXTS, size=32, kind="bpe", seed=0)


def test_scores_are_those_of_sacrebleu() -> None:
    translations, references = ["Das ist ein Haus.", "Ja, gern!"], ["das ist ein Haus .", "Ja, gern!"]
    scores = score(translations, references, "de")
    assert (
        scores.bleu
        == bleu(translations, references, lower_case=False)
        == sacrebleu.corpus_bleu(translations, [references]).score
        < 80
    )
    assert (
        scores.bleu_lower_case == pytest.approx(bleu(translations, references, lower_case=True)) == pytest.approx(100)
    )
    assert scores.chrf == sacrebleu.corpus_chrf(translations, [references]).score
    assert scores.signatures["bleu"].startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    assert scores.signatures["bleu_lower_case"].startswith("nrefs:1|case:lc|")
    assert scores.signatures["chrf2"].startswith("nrefs:1|case:mixed|eff:yes|nc:6|nw:0|")
    assert "BLEU 100.00  nrefs:1|case:lc" in scores.report()[1]
    assert (score([], []).bleu, bleu([], [], lower_case=True)) == (0.0, 0.0)


def test_languages_without_spaces_are_split_by_character() -> None:
    assert bleu(["我喜欢音乐也喜欢你。"], ["我喜欢音乐也喜欢他。"], lower_case=False, language="zh") > 50
    assert bleu(["我喜欢音乐也喜欢你。"], ["我喜欢音乐也喜欢他。"], lower_case=False) < 10
