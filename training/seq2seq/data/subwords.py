"""Trains the subword vocabulary of one language, or of two together, with SentencePiece."""

import io
import re
from collections.abc import Iterable
from typing import Literal

import sentencepiece

from service.tasks.translation.subwords import BEGIN, END, PAD, UNKNOWN
from training.common.errors import ConfigError

_SPECIAL = 4
_MAX_SENTENCES = 2_000_000
_MAX_BYTES = 1 << 16  # of a sentence; SentencePiece skips longer ones


def train_subwords(texts: Iterable[str], *, size: int, kind: Literal["bpe", "unigram"], seed: int) -> bytes:
    """A SentencePiece model, as bytes; the same texts and settings give the same model.

    Decoding restores the text exactly: nothing is normalized (`service.tasks.translation.subwords.clean` did that), and
    every character that occurs is a piece. Each digit is a piece, so that numbers are copied digit by digit.

    Args:
        texts: cleaned sentences, not all of them empty.
        size: pieces, special ones included. The model is smaller if the corpus does not have enough different pieces.
        kind: byte-pair encoding (Sennrich et al. 2016), or the unigram language model (Kudo 2018).
        seed: seed of the sample that is taken of more than two million sentences.

    Raises:
        ConfigError: `size` is less than the number of characters.
    """
    sentences = [text for text in texts if text]
    min_size = _SPECIAL + len({char for text in sentences for char in text.replace(" ", "")}) + 1
    if size < min_size:
        raise ConfigError(
            f"vocabulary is {size}, but the texts have {min_size - _SPECIAL} characters; use {min_size + 100} or more"
        )
    sentencepiece.set_random_generator_seed(seed)
    model = _train(sentences, size, kind)
    if isinstance(model, int):
        model = _train(sentences, model, kind)
    assert isinstance(model, bytes), "SentencePiece named a size that is possible"
    return model


def _train(sentences: list[str], size: int, kind: str) -> bytes | int:
    """The model, or the largest possible size if `size` is too large."""
    out = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(sentences),
            model_writer=out,
            model_type=kind,
            vocab_size=size,
            character_coverage=1.0,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            split_digits=True,
            pad_id=PAD,
            unk_id=UNKNOWN,
            bos_id=BEGIN,
            eos_id=END,
            max_sentence_length=_MAX_BYTES,
            input_sentence_size=_MAX_SENTENCES,
            shuffle_input_sentence=len(sentences) > _MAX_SENTENCES,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        possible = re.search(r"set it to a value <= (\d+)", str(error))
        if possible is None or int(possible[1]) >= size:
            raise
        return int(possible[1])
    return out.getvalue()
