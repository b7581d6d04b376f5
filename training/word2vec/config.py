"""Everything a word2vec run depends on."""

from dataclasses import dataclass, field, replace
from typing import Literal

from service.text import Tokenizer
from training.common.config import doc, from_dict
from training.common.errors import ConfigError
from training.common.run import Run

FAMILY = "word2vec"

Architecture = Literal["skip-gram", "cbow"]
Loss = Literal["negative-sampling", "hierarchical-softmax"]

_RATES: dict[Architecture, float] = {"skip-gram": 0.025, "cbow": 0.05}


@dataclass(frozen=True, kw_only=True)
class Word2VecConfig:
    """One run of word2vec: text, vocabulary, network, optimisation. Defaults are those of word2vec.c and gensim."""

    data: str = field(
        default="wikipedia-en-2015",
        metadata=doc(
            "the text: a file (plain, .gz, .bz2, .xz, .zip, .tar.*), a folder of them, or `wikipedia-en-2015`, `text8`"
        ),
    )
    tokenizer: Tokenizer = field(
        default="letters",
        metadata=doc(
            "what a word is: `letters`, lower-cased runs of letters; `words`, cased, with numbers and punctuation"
        ),
    )
    min_count: int = field(default=5, metadata=doc("words that occur less often are left out"))
    max_vocabulary: int = field(default=0, metadata=doc("keep at most this many words, the most frequent; 0: all"))
    phrases: int = field(
        default=0, metadata=doc("passes that join frequent pairs of words into phrases (`new_york`): 0, 1 or 2")
    )
    phrase_threshold: float = field(default=100.0, metadata=doc("score from which a pair is a phrase"))
    phrase_discount: float = field(
        default=5.0, metadata=doc("taken off the count of a pair, so that rare pairs are no phrases")
    )
    architecture: Architecture = field(
        default="skip-gram", metadata=doc("each context word predicts the centre word, or their mean does")
    )
    loss: Loss = field(
        default="negative-sampling", metadata=doc("told apart from sampled words, or found on a Huffman tree")
    )
    dimensions: int = field(default=100, metadata=doc("length of a vector"))
    window: int = field(default=5, metadata=doc("words to each side at most; near ones are taken more often"))
    negatives: int = field(
        default=5, metadata=doc("sampled words per window, shared by its context words (negative sampling only)")
    )
    negative_exponent: float = field(
        default=0.75, metadata=doc("negatives are drawn by their counts to this power (negative sampling only)")
    )
    sample: float = field(
        default=1e-4, metadata=doc("words above this frequency are left out now and then; 0 keeps all")
    )
    epochs: int = field(default=5, metadata=doc("passes over the text"))
    learning_rate: float | None = field(
        default=None, metadata=doc("at the start; None: 0.025 for skip-gram, 0.05 for CBOW")
    )
    min_learning_rate: float = field(default=1e-4, metadata=doc("at the end; it falls linearly"))
    add_context: float = field(
        default=0.0,
        metadata=doc(
            "at the end add each word's unit vector as a target, times this, to its own (Levy et al. 2015, "
            "section 3.3; negative sampling only)"
        ),
    )
    seed: int = field(default=0, metadata=doc("everything random in the run derives from it"))

    def __post_init__(self) -> None:
        for name in ("min_count", "dimensions", "window", "epochs"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("max_vocabulary", "sample", "min_learning_rate", "phrase_discount", "add_context", "seed"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must not be below 0")
        if self.loss == "negative-sampling" and self.negatives < 1:
            raise ConfigError(f"negatives is {self.negatives}; negative sampling needs at least 1")
        if self.learning_rate is not None and not self.min_learning_rate <= self.learning_rate <= 1:
            raise ConfigError(f"learning_rate is {self.learning_rate}; it must lie between min_learning_rate and 1")
        if self.loss == "hierarchical-softmax" and self.add_context:
            raise ConfigError("add_context is for negative sampling: the targets of hierarchical softmax are no words")
        if self.phrases not in (0, 1, 2):
            raise ConfigError(f"phrases is {self.phrases}; it can be 0, 1 or 2")

    @property
    def starting_rate(self) -> float:
        """The learning rate at the start."""
        return _RATES[self.architecture] if self.learning_rate is None else self.learning_rate


PRESETS: dict[str, Word2VecConfig] = {
    "default": Word2VecConfig(),
    "debug": replace(Word2VecConfig(), dimensions=16, epochs=1, min_count=1, sample=1e-2),
}
"""`--preset`: where a configuration starts; flags change it from there."""


def stored_config(run: Run) -> Word2VecConfig:
    """The settings a run was started with."""
    return from_dict(Word2VecConfig, run.config(FAMILY), where=str(run.path))
