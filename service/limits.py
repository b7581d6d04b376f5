"""The limits of a request: one class with the default, the bounds and the meaning of each.

`Settings` inherits it, so that every field is also the variable `LECTERN_<FIELD>`; predictors and routes take it; error
messages name the variable through `Limits.describe`. It imports nothing of the service: training may use it too.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

PREFIX = "LECTERN_"
"""What the names of all environment variables begin with."""


class Limits(BaseModel):
    """Limits of one request, and the maximum size of a batch."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    max_body_bytes: int = Field(default=16 * 2**20, ge=1024, le=2**62)
    """Largest request body in bytes, after decompression."""
    max_images: int = Field(default=64, ge=1, le=4096)
    """Maximum number of images in one request."""
    max_explained_inputs: int = Field(default=8, ge=1, le=4096)
    """Maximum number of images, texts or token lists in one request whose answers are explained."""
    max_explained_tokens: int = Field(default=1_000, ge=1, le=1_000_000)
    """Maximum number of tokens, or of subwords to translate, in one request whose answers are explained."""
    max_pixels: int = Field(default=20_000_000, ge=784, le=2**62)
    """Maximum number of pixels of one image."""
    max_scanned_pixels: int = Field(default=300_000_000, ge=784, le=2**62)
    """Maximum number of pixels that all scans of one progressive JPEG, or all frames of one AVIF, decode together."""
    max_image_parts: int = Field(default=20_000, ge=16, le=2**62)
    """Maximum number of parts of one image file: chunks, segments, blocks, boxes or strips."""
    max_decoding_pixels: int = Field(default=20_000_000, ge=784, le=2**62)
    """Maximum number of pixels decoded at the same time, of all images of a model; an image beyond it waits."""
    max_words: int = Field(default=10_000, ge=1, le=1_000_000)
    """Maximum number of words, pairs of words or vectors in one request."""
    max_neighbors: int = Field(default=1_000, ge=1, le=100_000)
    """Maximum number of neighbors of one word: the largest k."""
    max_total_neighbors: int = Field(default=100_000, ge=1, le=10_000_000)
    """Maximum number of neighbors in one answer: words times k."""
    max_numbers: int = Field(default=200_000, ge=784, le=10_000_000)
    """Maximum number of numbers in the JSON of one request: pixels, vectors, tensors; binary tensors may have more."""
    max_inputs: int = Field(default=2_048, ge=1, le=65_536)
    """Maximum number of texts in one request to /v1/embeddings."""
    max_tokens: int = Field(default=8_192, ge=1, le=1_000_000)
    """Maximum number of words in one text sent to /v1/embeddings."""
    max_total_words: int = Field(default=600_000, ge=1, le=10_000_000)
    """Maximum number of words in one request to /v1/embeddings, all its texts together."""
    max_texts: int = Field(default=1_024, ge=1, le=65_536)
    """Maximum number of texts in one request to tag or to translate, or of token lists to tag."""
    max_text_bytes: int = Field(default=100_000, ge=1, le=2**62)
    """Largest text to tag, in bytes of UTF-8."""
    max_sentence_tokens: int = Field(default=1_000, ge=1, le=100_000)
    """Maximum number of tokens in one sentence to tag."""
    max_total_tokens: int = Field(default=200_000, ge=1, le=10_000_000)
    """Maximum number of tokens in one request to /v1/tag, all its texts together."""
    max_batch_tokens: int = Field(default=2_048, ge=1, le=1_000_000)
    """Maximum tokens in one run of a tagger, padding included; taggers use this instead of LECTERN_MAX_BATCH_SIZE."""
    max_characters: int = Field(default=10_000, ge=1, le=1_000_000)
    """Maximum number of characters in one text to translate."""
    max_total_characters: int = Field(default=50_000, ge=1, le=10_000_000)
    """Maximum number of characters in one request to translate, all its texts together."""
    max_file_characters: int = Field(default=200_000, ge=1, le=100_000_000)
    """Maximum number of characters to translate in one file."""
    max_beam_size: int = Field(default=16, ge=1, le=256)
    """Largest beam size of a translation; a request gets at most beam size - 1 alternatives."""
    max_batch_hypotheses: int = Field(default=160, ge=1, le=65_536)
    """Maximum number of hypotheses in one step of a translator: sentences times their beam sizes."""
    max_batch_size: int = Field(default=64, ge=1, le=4096)
    """Maximum number of rows joined into one run of a model."""

    def describe(self, name: str) -> str:
        """The limit for an error message: `the limit is 64 (LECTERN_MAX_IMAGES)`."""
        return f"the limit is {getattr(self, name)} ({variable(name)})"


def variable(field: str) -> str:
    """The environment variable of a field of `Settings`: `max_images` is LECTERN_MAX_IMAGES."""
    return PREFIX + field.upper()
