"""Learns the subwords of a language, or of two together, with SentencePiece."""

import io
import re
from collections.abc import Iterable
from typing import Literal

import sentencepiece

from service.tasks.translation.subwords import BEGIN, END, PAD, UNKNOWN
from training.common.errors import ConfigError

_SPECIAL = 4
_MOST_SENTENCES = 2_000_000
_LONGEST = 1 << 16  # bytes of a sentence; SentencePiece passes longer ones over


def train_subwords(texts: Iterable[str], *, size: int, kind: Literal["bpe", "unigram"], seed: int) -> bytes:
    """A SentencePiece model, as bytes: the same of the same texts and settings.

    Text comes back from its pieces as it was: nothing is normalised (`service.tasks.translation.subwords.clean` did
    that), and every character that occurs is a piece. Digits stand alone, so that numbers are copied digit by digit.

    Args:
        texts: cleaned sentences, not all of them empty.
        size: pieces, special ones included. A small corpus may have fewer to offer: then the model is smaller.
        kind: byte pair encoding (Sennrich et al. 2016), or the unigram language model (Kudo 2018).
        seed: of the draw where there are more than two million sentences.

    Raises:
        ConfigError: the pieces are fewer than the characters.
    """
    sentences = [text for text in texts if text]
    most = _SPECIAL + len({char for text in sentences for char in text.replace(" ", "")}) + 1
    if size < most:
        raise ConfigError(
            f"vocabulary is {size}, but the texts have {most - _SPECIAL} characters; use {most + 100} or more"
        )
    sentencepiece.set_random_generator_seed(seed)
    model = _train(sentences, size, kind)
    if isinstance(model, int):
        model = _train(sentences, model, kind)
    assert isinstance(model, bytes), "SentencePiece names the size that it can do"
    return model


def _train(sentences: list[str], size: int, kind: str) -> bytes | int:
    """The model, or the largest size that the sentences have pieces for."""
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
            max_sentence_length=_LONGEST,
            input_sentence_size=_MOST_SENTENCES,
            shuffle_input_sentence=len(sentences) > _MOST_SENTENCES,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        possible = re.search(r"set it to a value <= (\d+)", str(error))
        if possible is None or int(possible[1]) >= size:
            raise
        return int(possible[1])
    return out.getvalue()
