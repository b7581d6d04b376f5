"""Subword segmentation with a SentencePiece model, shared by training and serving.

The model's file says which algorithm it uses: byte pair encoding (Sennrich et al. 2016) or a unigram model (Kudo 2018).
"""

from __future__ import annotations

import re
import struct
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from sentencepiece import SentencePieceProcessor

from service.decoding.graph_io import BEGIN, END, PAD, UNKNOWN

__all__ = [
    "BEGIN",
    "END",
    "PAD",
    "PLACEHOLDER",
    "SPACE_SYMBOL",
    "SPECIAL_CHARACTERS",
    "TYPED_PLACEHOLDERS",
    "UNKNOWN",
    "Subwords",
    "add_pieces",
    "clean",
]

SPACE_SYMBOL = "\u2581"
"""The character that SentencePiece writes for a space; in an input text it would be taken for a space."""

PLACEHOLDER = "\ufffc"
"""Replaces a protected span, which is copied into the translation (Luong et al. 2015, "Addressing the rare word
problem", section 3.1). It is Unicode's object replacement character; no vocabulary has it, so it encodes to UNKNOWN."""

TYPED_PLACEHOLDERS: Mapping[str, str] = MappingProxyType({"number": "\ufff9", "name": "\ufffa", "date": "\ufffb"})
"""Placeholders that say what they stand for. Vocabularies that were learned with them have each as a piece; in a text
that was sent they are characters that no vocabulary has. They are Unicode's interlinear annotation characters."""

SPECIAL_CHARACTERS = {"&": "\ufdd0", "<": "\ufdd1", ">": "\ufdd2"}
"""Unicode noncharacters that replace characters decoded from entities, so that those are not read as markup."""

_DECODE_UNKNOWN_AS_PLACEHOLDER = b"\x12\x06\xe2\x02\x03" + PLACEHOLDER.encode()
"""Protobuf that sets `trainer_spec.unk_surface`, the text UNKNOWN is decoded to, when appended to a model file."""

_INVISIBLE = re.compile("[\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
"""Soft hyphens, direction marks and zero-width spaces. Joiners are kept because letters and emoji need them."""
_SPACE_OR_CONTROL = re.compile(f"[\x00-\x20\x7f-\x9f{SPACE_SYMBOL}]+")
_SURROGATES = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """Normalize a text the way training and serving do before `Subwords.encode`.

    Unicode NFC; runs of white space and control characters become one space, and none at the ends; invisible characters
    are removed; lone surrogates, which UTF-8 cannot hold, become U+FFFD.
    """
    if text.isascii():  # the common case: everything below is about other characters
        return " ".join(_SPACE_OR_CONTROL.sub(" ", text).split())
    text = _SURROGATES.sub("\ufffd", _INVISIBLE.sub("", text))
    return " ".join(unicodedata.normalize("NFC", _SPACE_OR_CONTROL.sub(" ", text)).split())


class Subwords:
    """An immutable SentencePiece model that threads can share.

    Args:
        model: contents of its file.

    Raises:
        ValueError: the contents are not a SentencePiece model, or one with other special token ids.
    """

    def __init__(self, model: bytes) -> None:
        processor = SentencePieceProcessor()
        try:
            # An empty or foreign file may load as a model without pieces.
            loaded = (
                processor.LoadFromSerializedProto(model + _DECODE_UNKNOWN_AS_PLACEHOLDER)
                and processor.get_piece_size() > END
            )
        except (RuntimeError, TypeError) as error:
            raise ValueError("is no SentencePiece model") from error
        if not loaded:
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
        characters = frozenset("".join(self._pieces[END + 1 :])) - {SPACE_SYMBOL} | {" "}
        self._characters = characters.difference(TYPED_PLACEHOLDERS.values())
        typed = {kind: processor.piece_to_id(symbol) for kind, symbol in TYPED_PLACEHOLDERS.items()}
        self._typed = {kind: id_ for kind, id_ in typed.items() if id_ != UNKNOWN}
        self.placeholder_ids = frozenset([UNKNOWN, *self._typed.values()])
        """Tokens that can stand for a protected span: UNKNOWN, and the typed placeholders if it has them."""

    @classmethod
    def read(cls, path: Path) -> Subwords:
        """Read the model from a file.

        Raises:
            ValueError: the file is not a valid model; the message names it.
            OSError: the file cannot be read.
        """
        try:
            return cls(path.read_bytes())
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    def encode(self, text: str) -> list[int]:
        """Token ids of a cleaned text, without BEGIN and END; characters that no piece contains become UNKNOWN."""
        ids: list[int] = self._processor.encode(text)
        return ids

    def sample(self, text: str, *, alpha: float) -> list[int]:
        """Draw a random segmentation of a text (subword regularization, used in training only).

        `sentencepiece.set_random_generator_seed` makes the draws repeatable.

        Args:
            text: cleaned.
            alpha: for unigram models, the smoothing of the sampled distribution (Kudo 2018, section 3.3; close to 0 is
                uniform); for BPE models, the fraction of merges to skip (Provilkov et al. 2020; 0 skips none).
        """
        ids: list[int] = self._processor.encode(text, enable_sampling=True, alpha=alpha, nbest_size=-1)
        return ids

    def placeholder(self, kind: str) -> str:
        """The typed placeholder of this name, or `PLACEHOLDER` if the vocabulary has none of that name."""
        return TYPED_PLACEHOLDERS[kind] if kind in self._typed else PLACEHOLDER

    def count_placeholders(self, ids: Sequence[int]) -> int:
        """The number of placeholders among token ids."""
        return sum(map(ids.count, self.placeholder_ids))

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids; PAD, BEGIN and END are dropped, UNKNOWN becomes `PLACEHOLDER`.

        `decode(encode(text)) == text` for a cleaned text whose characters are all in the vocabulary.
        """
        text: str = self._processor.decode([int(id_) for id_ in ids])
        return text

    def piece(self, id_: int) -> str:
        """The text of one token, with `▁` for the space before a word."""
        return self._pieces[id_]

    def unknown_characters(self, text: str) -> set[str]:
        """The characters of a cleaned text that no piece contains, and typed placeholders."""
        return set(text) - self._characters


def add_pieces(model: bytes, pieces: Iterable[str]) -> bytes:
    """A SentencePiece model with further pieces, which are never split or merged, at its end.

    Args:
        model: contents of its file.
        pieces: their texts, of less than 100 bytes each.
    """
    # Protobuf: repeated fields may be appended to a file. Field 1 is a piece: its text, a score and the type
    # USER_DEFINED.
    for piece in pieces:
        text = piece.encode()
        content = b"\x0a" + bytes([len(text)]) + text + b"\x15" + struct.pack("<f", 0.0) + b"\x18\x04"
        model += b"\x0a" + bytes([len(content)]) + content
    return model
