"""The settings of a word2vec run."""

from dataclasses import dataclass, field, replace
from typing import Literal

from service.text import CharacterNgrams, Tokenizer
from training.common.config import doc, from_dict
from training.common.errors import ConfigError
from training.common.run import Run

FAMILY = "word2vec"

Architecture = Literal["skip-gram", "cbow"]
Loss = Literal["negative-sampling", "hierarchical-softmax"]

MAX_BUCKETS = 10_000_000
"""More would not fit into the 32-bit row ids of the kernels beside a large vocabulary, nor into most memories."""

_DEFAULT_RATES: dict[Architecture, float] = {"skip-gram": 0.025, "cbow": 0.05}


@dataclass(frozen=True, kw_only=True)
class Word2VecConfig:
    """Corpus, vocabulary, model and optimization of one run; the defaults follow word2vec.c and gensim except for
    architecture and sample."""

    data: str = field(
        default="wikipedia-en-2015",
        metadata=doc(
            "the corpus: a file (plain, .gz, .bz2, .xz, .zip, .tar.*), a folder of them, `wikipedia-en-2015` or `text8`"
        ),
    )
    tokenizer: Tokenizer = field(
        default="letters",
        metadata=doc(
            "how text is split into words: `letters`, lower-cased runs of letters; `words`, cased, with numbers and "
            "punctuation"
        ),
    )
    min_count: int = field(default=5, metadata=doc("ignore words that occur less often"))
    max_vocabulary: int = field(default=0, metadata=doc("keep only this many of the most frequent words; 0: all"))
    phrases: int = field(
        default=0, metadata=doc("passes that join frequent word pairs into phrases (`new_york`): 0, 1 or 2")
    )
    phrase_threshold: float = field(default=100.0, metadata=doc("pairs with a higher score become phrases"))
    phrase_discount: float = field(
        default=5.0, metadata=doc("subtracted from the count of a pair, so that rare pairs do not become phrases")
    )
    architecture: Architecture = field(
        default="skip-gram",
        metadata=doc("skip-gram: each context word predicts the center word; cbow: their mean does"),
    )
    loss: Loss = field(
        default="negative-sampling",
        metadata=doc("how the center word is predicted: against sampled words, or along its path in a Huffman tree"),
    )
    dimensions: int = field(default=100, metadata=doc("components of a vector"))
    window: int = field(
        default=5, metadata=doc("maximum context words on each side; each window draws its size from 1 to this")
    )
    negatives: int = field(
        default=5, metadata=doc("negative samples per window, shared by its context words (negative sampling only)")
    )
    negative_exponent: float = field(
        default=0.75,
        metadata=doc("negatives are sampled by word count to this power (negative sampling only)"),
    )
    sample: float = field(
        default=1e-4, metadata=doc("subsampling threshold: words above this frequency are dropped at random; 0: none")
    )
    epochs: int = field(default=5, metadata=doc("passes over the corpus"))
    learning_rate: float | None = field(
        default=None, metadata=doc("initial learning rate; None: 0.025 for skip-gram, 0.05 for CBOW")
    )
    min_learning_rate: float = field(default=1e-4, metadata=doc("final learning rate; it falls linearly"))
    subwords: bool = field(
        default=False,
        metadata=doc(
            "make a word's vector the mean of its own and those of its character n-grams, as fastText does, so that "
            "unknown words get vectors too (negative sampling only)"
        ),
    )
    min_ngram: int = field(default=3, metadata=doc("characters of the shortest n-grams (fastText's minn)"))
    max_ngram: int = field(default=6, metadata=doc("characters of the longest n-grams (fastText's maxn)"))
    buckets: int = field(
        default=500_000,
        metadata=doc("n-grams are hashed into this many vectors (fastText's bucket); each takes a byte per dimension"),
    )
    add_context: float = field(
        default=0.0,
        metadata=doc(
            "after training, add each word's unit output vector, times this, to its unit input vector "
            "(Levy et al. 2015, section 3.3; negative sampling only)"
        ),
    )
    exchange_every: int = field(
        default=1_000_000,
        metadata=doc("words that each of several processes trains on before they exchange their changes (torchrun)"),
    )
    seed: int = field(default=0, metadata=doc("random seed of the run"))

    def __post_init__(self) -> None:
        for name in ("min_count", "dimensions", "window", "epochs", "exchange_every", "min_ngram", "buckets"):
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
            raise ConfigError("add_context is for negative sampling; hierarchical softmax has no target words")
        if self.max_ngram < self.min_ngram:
            raise ConfigError(f"max_ngram is {self.max_ngram}; it must be at least min_ngram, {self.min_ngram}")
        if self.buckets > MAX_BUCKETS:
            raise ConfigError(f"buckets is {self.buckets}; it must be at most {MAX_BUCKETS:,}")
        if self.subwords and self.loss == "hierarchical-softmax":
            raise ConfigError("subwords are for negative sampling; choose --loss negative-sampling")
        if self.subwords and self.add_context:
            raise ConfigError(
                "add_context does not fit subwords: n-grams have no output vectors; leave one of them out"
            )
        if self.phrases not in (0, 1, 2):
            raise ConfigError(f"phrases is {self.phrases}; it can be 0, 1 or 2")

    @property
    def character_ngrams(self) -> CharacterNgrams | None:
        """The n-grams of words; None without subwords."""
        if not self.subwords:
            return None
        return CharacterNgrams(min_ngram=self.min_ngram, max_ngram=self.max_ngram, buckets=self.buckets)

    @property
    def starting_rate(self) -> float:
        """The initial learning rate."""
        return _DEFAULT_RATES[self.architecture] if self.learning_rate is None else self.learning_rate


PRESETS: dict[str, Word2VecConfig] = {
    "default": Word2VecConfig(),
    "debug": replace(Word2VecConfig(), dimensions=16, epochs=1, min_count=1, sample=1e-2),
}
"""The configurations of `--preset`; further flags override single settings."""


def stored_config(run: Run) -> Word2VecConfig:
    """The settings stored in a run folder."""
    return from_dict(Word2VecConfig, run.config(FAMILY), where=str(run.path))
