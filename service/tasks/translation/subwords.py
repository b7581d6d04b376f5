"""Text as subwords and back: one SentencePiece model, the same in training and in serving.

Subwords follow Sennrich et al. 2016 (byte pair encoding) or Kudo 2018 (unigram); the model's file tells which.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from sentencepiece import SentencePieceProcessor

from service.decoding.graph_io import BEGIN, END, PAD, UNKNOWN

__all__ = ["BEGIN", "BLANK", "END", "PAD", "STAND_IN", "UNKNOWN", "Subwords", "clean"]

BLANK = "\u2581"
"""How SentencePiece writes a blank in a piece; in a text it would be taken for one."""

STAND_IN = "\ufffc"
"""Stands for a word that is copied into the translation (Luong et al. 2015, "Addressing the rare word problem", section
3.1): Unicode's object replacement character, which no vocabulary has, so that it becomes UNKNOWN."""

_UNKNOWN_AS_STAND_IN = b"\x12\x06\xe2\x02\x03" + STAND_IN.encode()
"""Protobuf: at the end of a model this is its `trainer_spec.unk_surface`, what UNKNOWN is decoded to."""

_INVISIBLE = re.compile("[\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
"""Soft hyphens, marks of direction, zero-width blanks; joiners stay, since letters and emoji need them."""
_BETWEEN_WORDS = re.compile(f"[\x00-\x20\x7f-\x9f{BLANK}]+")
_SURROGATES = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """What training and serving feed to `Subwords.encode`.

    Unicode's composed form (NFC), one blank for any run of white space and control characters, none at the ends, no
    invisible characters; half a surrogate pair, which no UTF-8 can hold, becomes U+FFFD.
    """
    if text.isascii():  # most of a corpus: all else below concerns other characters
        return " ".join(_BETWEEN_WORDS.sub(" ", text).split())
    text = _SURROGATES.sub("\ufffd", _INVISIBLE.sub("", text))
    return " ".join(unicodedata.normalize("NFC", _BETWEEN_WORDS.sub(" ", text)).split())


class Subwords:
    """One SentencePiece model; nothing of it changes, so threads may share it.

    Args:
        model: the bytes of its file.

    Raises:
        ValueError: they are no SentencePiece model, or one with other special ids.
    """

    def __init__(self, model: bytes) -> None:
        processor = SentencePieceProcessor()
        try:
            # An empty or foreign file may load as a model of no pieces.
            fits = processor.LoadFromSerializedProto(model + _UNKNOWN_AS_STAND_IN) and processor.get_piece_size() > END
        except (RuntimeError, TypeError) as error:
            raise ValueError("is no SentencePiece model") from error
        if not fits:
            raise ValueError("is no SentencePiece model")
        special = (processor.pad_id(), processor.unk_id(), processor.bos_id(), processor.eos_id())
        if special != (PAD, UNKNOWN, BEGIN, END):
            raise ValueError(
                f"has padding, unknown, begin and end at {', '.join(map(str, special))}, not at 0, 1, 2, 3 as expected"
            )
        self.model = model
        self.size: int = processor.get_piece_size()
        self._processor = processor
        self._pieces: list[str] = processor.id_to_piece(list(range(self.size)))
        self._characters = frozenset("".join(self._pieces[END + 1 :])) - {BLANK} | {" "}

    @classmethod
    def read(cls, path: Path) -> Subwords:
        """The model of a file.

        Raises:
            ValueError: naming the file, which holds no model.
            OSError: it cannot be read.
        """
        try:
            return cls(path.read_bytes())
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    def encode(self, text: str) -> list[int]:
        """Ids of a cleaned text, without BEGIN and END; characters that have no piece are UNKNOWN."""
        ids: list[int] = self._processor.encode(text)
        return ids

    def sample(self, text: str, *, alpha: float) -> list[int]:
        """Other ids of the same text, drawn at random: regularisation in training only.

        Args:
            text: cleaned.
            alpha: of unigram models the smoothing of the distribution that is drawn from (Kudo 2018, section 3.3; near
                0: any segmentation); of BPE the share of merges left out (Provilkov et al. 2020; 0: none).

        `sentencepiece.set_random_generator_seed` decides what is drawn.
        """
        ids: list[int] = self._processor.encode(text, enable_sampling=True, alpha=alpha, nbest_size=-1)
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids: `decode(encode(text)) == text` for a cleaned text whose characters are all known.

        PAD, BEGIN and END are no text; UNKNOWN is `STAND_IN`.
        """
        text: str = self._processor.decode([int(id_) for id_ in ids])
        return text

    def piece(self, id_: int) -> str:
        """A piece as it is shown to users: the blank before a word is `▁`."""
        return self._pieces[id_]

    def unknown(self, text: str) -> set[str]:
        """The characters of a cleaned text that no piece has."""
        return set(text) - self._characters
