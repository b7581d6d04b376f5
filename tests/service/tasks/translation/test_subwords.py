"""Cleaning texts, encoding them as subwords and decoding them."""

import io
import threading
from pathlib import Path
from typing import Any

import pytest
import sentencepiece

from service.tasks.translation.subwords import (
    BEGIN,
    END,
    PAD,
    PLACEHOLDER,
    TYPED_PLACEHOLDERS,
    UNKNOWN,
    Subwords,
    add_pieces,
    clean,
)

TEXTS = ["Das Haus ist groß.", "Der Hund läuft, 12 km weit!", "ein 家 und „viele“ Häuser", "  zwei  Blanks  "] * 4


def model(**changes: Any) -> bytes:
    """A small model, trained the same way as for a translator."""
    out = io.BytesIO()
    settings: dict[str, Any] = {
        "vocab_size": 64, "model_type": "bpe", "character_coverage": 1.0, "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False, "pad_id": PAD, "unk_id": UNKNOWN, "bos_id": BEGIN, "eos_id": END,
        "minloglevel": 2,
    }  # fmt: skip
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(TEXTS), model_writer=out, **{**settings, **changes})
    return out.getvalue()


@pytest.fixture(scope="module")
def subwords() -> Subwords:
    return Subwords(model())


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("", ""),
        ("  Ein\u00a0Haus\u202f!\r\n\t", "Ein Haus !"),
        ("a\x00b\x1bc\x7f", "a b c"),
        ("Stau\u00adbecken\u200b\ufeff", "Staubecken"),
        ("Ha\u0308user", "Häuser"),
        ("u\u00ad\u0308", "ü"),
        ("\u202eabc\u202c", "abc"),
        ("ein\u2581Haus", "ein Haus"),
        ("half \ud83d", "half \ufffd"),
        ("👩\u200d🔬", "👩\u200d🔬"),
        ("one\u2028two\u3000three", "one two three"),
    ],
)
def test_clean(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned == clean(cleaned)


def test_texts_come_back_as_they_were(subwords: Subwords) -> None:
    for text in ["", "Haus", "Das Haus, 家!", "12  Hunde", " groß", "Hund „Haus“", "s"]:
        ids = subwords.encode(text)
        assert subwords.decode(ids) == text
        assert UNKNOWN not in ids


def test_special_ids_are_no_text(subwords: Subwords) -> None:
    ids = subwords.encode("Das Haus")
    assert subwords.decode([BEGIN, *ids, END, PAD, PAD]) == "Das Haus"
    assert not {PAD, BEGIN, END} & set(subwords.encode("<s> </s> <pad>"))


def test_unknown_characters(subwords: Subwords) -> None:
    assert subwords.unknown_characters("Das Haus ist groß.") == set()
    assert subwords.unknown_characters("Das 🏠 QED") == {"🏠", "Q", "E"}
    assert UNKNOWN in subwords.encode("🏠")


def test_typed_placeholders_are_pieces_that_are_never_split(subwords: Subwords) -> None:
    typed = Subwords(add_pieces(subwords.model, TYPED_PLACEHOLDERS.values()))
    assert typed.size == subwords.size + len(TYPED_PLACEHOLDERS)
    assert len(typed.placeholder_ids) == 1 + len(TYPED_PLACEHOLDERS)
    number = typed.placeholder("number")
    for text in (f"Das {number} Haus", f"{number}", f"Haus{number}, {number}", f"{number} {PLACEHOLDER}"):
        for ids in (typed.encode(text), typed.sample(text, alpha=0.5)):
            assert typed.decode(ids) == text
            assert typed.count_placeholders(ids) == text.count(number) + text.count(PLACEHOLDER)
    assert typed.encode("Das Haus") == subwords.encode("Das Haus")
    # In a text that was sent they are characters like others that no vocabulary has.
    assert typed.unknown_characters(f"Das {number}") == {number} == subwords.unknown_characters(f"Das {number}")


def test_a_vocabulary_without_typed_placeholders_has_one_for_all(subwords: Subwords) -> None:
    assert subwords.placeholder_ids == {UNKNOWN}
    assert {subwords.placeholder(kind) for kind in TYPED_PLACEHOLDERS} == {PLACEHOLDER}
    typed = Subwords(add_pieces(subwords.model, [TYPED_PLACEHOLDERS["date"]]))
    assert (typed.placeholder("date"), typed.placeholder("name")) == (TYPED_PLACEHOLDERS["date"], PLACEHOLDER)
    assert typed.placeholder("anything") == PLACEHOLDER


def test_pieces(subwords: Subwords) -> None:
    ids = subwords.encode("Das Haus")
    assert "".join(subwords.piece(id_) for id_ in ids) == "▁Das▁Haus"
    assert subwords.size == 64
    assert [subwords.piece(id_) for id_ in (PAD, UNKNOWN, BEGIN, END)] == ["<pad>", "<unk>", "<s>", "</s>"]


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_samples_are_other_pieces_of_the_same_text(kind: str) -> None:
    subwords = Subwords(model(model_type=kind, vocab_size=40 if kind == "unigram" else 50))
    text = "Das Haus ist groß."

    def drawn(seed: int) -> list[list[int]]:
        sentencepiece.set_random_generator_seed(seed)
        return [subwords.sample(text, alpha=0.3) for _ in range(40)]

    samples = {tuple(ids) for ids in drawn(1)}
    assert len(samples) > 1
    assert {subwords.decode(ids) for ids in samples} == {text}
    assert drawn(1) == drawn(1) != drawn(2)


def test_bpe_without_dropout_is_the_usual_segmentation(subwords: Subwords) -> None:
    assert subwords.sample("Das Haus ist groß.", alpha=0.0) == subwords.encode("Das Haus ist groß.")


@pytest.mark.parametrize("content", [b"", b"no model", b"\x00" * 64], ids=["empty", "text", "zeros"])
def test_other_files_are_no_models(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no SentencePiece model"):
        Subwords(content)
    (tmp_path / "pieces.model").write_bytes(content)
    with pytest.raises(ValueError, match=r"pieces.model: is no SentencePiece model"):
        Subwords.read(tmp_path / "pieces.model")


def test_models_with_other_special_ids_are_refused() -> None:
    with pytest.raises(ValueError, match=r"at -1, 0, 1, 2, not at 0, 1, 2, 3"):
        Subwords(model(pad_id=-1, unk_id=0, bos_id=1, eos_id=2))


def test_threads_share_a_model(subwords: Subwords) -> None:
    results: list[bool] = []

    def work() -> None:
        results.append(all(subwords.decode(subwords.encode(text)) == text for text in TEXTS * 50))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 4
