"""Settings of a tagger's run."""

from dataclasses import dataclass, field, replace
from typing import Literal

from training.common.config import doc, from_dict
from training.common.errors import ConfigError
from training.common.precision import Precision
from training.common.run import Run

FAMILY = "bilstm_crf"

SchemeChoice = Literal["auto", "iob1", "iob2", "bioes", "none"]
Characters = Literal["cnn", "bilstm", "cnn+bilstm", "none"]
Output = Literal["crf", "softmax"]
TokenizerChoice = Literal["auto", "learned", "rules"]
Select = Literal["best", "last"]


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """The data sets, and the column of tags."""

    data: str = field(
        default="",
        metadata=doc("ewt, uner-ewt, btc, wnut17, conll2003, or several joined with +; or name files with --train"),
    )
    train: str = field(
        default="", metadata=doc("file or URL to train on: CoNLL-U, or columns with empty lines between sentences")
    )
    dev: str = field(default="", metadata=doc("file or URL of the dev set; without it a tenth of --train is held out"))
    test: str = field(default="", metadata=doc("file or URL to test on"))
    column: str = field(
        default="",
        metadata=doc(
            "tag column: its name in CoNLL-U (upos, xpos, feats, deprel), ner, or its number from the left (from 1) or "
            "right (from -1); default: upos of CoNLL-U, the last column of other files"
        ),
    )
    scheme: SchemeChoice = field(
        default="auto",
        metadata=doc("tagging scheme of spans; none: the tags are no spans; auto: inferred from the tags"),
    )
    encoding: str = field(
        default="", metadata=doc("encoding of files that are no UTF-8 and have no byte order mark, as latin-1")
    )
    skip_bad: bool = field(
        default=False, metadata=doc("leave out sentences with lines that cannot be read, and count them")
    )
    train_on_dev: bool = field(
        default=False,
        metadata=doc("train on the dev sentences too, once the settings are chosen; requires --select last"),
    )
    mark_sources: bool = field(
        default=False,
        metadata=doc(
            "for joined sets: prefix the training sentences of all but the first with a token that names their set, as "
            "annotation guidelines differ; sentences without such a token are tagged by those of the first"
        ),
    )


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Layers of the network."""

    vectors: str = field(
        default="",
        metadata=doc(
            "pretrained word vectors: a word2vec run, a bundle, a word2vec or GloVe file, a fastText model, or several "
            "separated by commas, which are concatenated; default: random initialization"
        ),
    )
    dimensions: int = field(
        default=0,
        metadata=doc(
            "dimensions of the word vectors, reduced by PCA if fewer than in --vectors; 0: as in --vectors, or 100"
        ),
    )
    extra_words: int = field(
        default=20_000,
        metadata=doc(
            "number of words from --vectors to keep beyond those of the training sentences, most frequent first; "
            "0: all",
            key="other_words",
        ),
    )
    tune_vectors: bool = field(
        default=True, metadata=doc("fine-tune the vectors of the words in the training sentences")
    )
    characters: Characters = field(
        default="cnn",
        metadata=doc("character features: Ma and Hovy's CNN, Lample's BiLSTM, both side by side, or none"),
    )
    character_dimensions: int = field(default=32, metadata=doc("dimensions of the character embeddings"))
    character_units: int = field(
        default=64,
        metadata=doc("filters of the CNN, and units of both LSTMs of the character BiLSTM together (an even number)"),
    )
    max_characters: int = field(
        default=24, metadata=doc("characters of a word that are read; of longer words the first and the last ones")
    )
    layers: int = field(default=2, metadata=doc("BiLSTM layers, 1 or 2"))
    hidden: int = field(default=128, metadata=doc("units of each LSTM; there is one per direction and layer"))
    output: Output = field(default="crf", metadata=doc("linear-chain CRF, or an independent softmax for each word"))
    transition_rank: int = field(
        default=0,
        metadata=doc(
            "rank of the CRF's transitions between labels, below the number of labels; with hundreds of labels the "
            "training then takes less time and memory; 0: a parameter for each pair of labels"
        ),
    )


@dataclass(frozen=True, kw_only=True)
class SegmenterConfig:
    """The network that splits raw text into sentences and tokens."""

    tokenizer: TokenizerChoice = field(
        default="auto",
        metadata=doc(
            "how raw text is split: learned from the treebank, or by the rules for English; auto: learned from --train "
            "if it is CoNLL-U with its text, else rules"
        ),
    )
    tokenizer_epochs: int = field(default=30, metadata=doc("passes over the training text of a learned tokenizer"))


@dataclass(frozen=True, kw_only=True)
class TaggerConfig:
    """One run: data, network, optimization."""

    data: DataConfig = field(default_factory=DataConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    segmenter: SegmenterConfig = field(default_factory=SegmenterConfig)
    auxiliary: str = field(
        default="",
        metadata=doc(
            "another tag column of the training sentences as an auxiliary task, which is not exported; ewt:xpos: the "
            "column of a known set that has the same sentences"
        ),
    )
    auxiliary_weight: float = field(default=0.3, metadata=doc("weight of the auxiliary task's loss"))
    epochs: int = field(default=30, metadata=doc("passes over the training sentences"))
    batch_size: int = field(
        default=32,
        metadata=doc("sentences per step; fewer for small data sets, so that an epoch has at least 20 steps"),
    )
    learning_rate: float = field(default=3e-3, metadata=doc("maximum learning rate of AdamW"))
    weight_decay: float = field(default=0.01, metadata=doc("weight decay of AdamW, on matrices"))
    warm_up: float = field(default=0.05, metadata=doc("fraction of the steps during which the learning rate warms up"))
    input_dropout: float = field(default=0.4, metadata=doc("variational dropout of a word's features"))
    dropout: float = field(default=0.4, metadata=doc("variational dropout between and after the BiLSTM layers"))
    word_dropout: float = field(
        default=0.05, metadata=doc("fraction of the distinct words replaced by the unknown word")
    )
    recase: float = field(
        default=0.0,
        metadata=doc(
            "fraction of the training sentences in another case, drawn anew in each epoch: half of them in lower case, "
            "half in capitals"
        ),
    )
    emoji_tag: str = field(
        default="",
        metadata=doc(
            "tag of emoji, as SYM in Universal Dependencies; one training sentence in twenty then gets an emoji, drawn "
            "anew in each epoch; default: none"
        ),
    )
    clip: float = field(default=5.0, metadata=doc("maximum gradient norm"))
    ema: float = field(
        default=0.998,
        metadata=doc("decay per step of the moving average of the weights, which is kept; 0: no averaging"),
    )
    precision: Precision = field(
        default="fp32",
        metadata=doc(
            "number format of the matrix products in training; auto: bf16 if the hardware has units for it, else fp32"
        ),
    )
    select: Select = field(default="best", metadata=doc("keep the epoch that is best on dev, or the last"))
    seed: int = field(default=0, metadata=doc("seed of everything random in the run"))

    def __post_init__(self) -> None:
        network = self.network
        for name, value, minimum in (
            ("epochs", self.epochs, 1), ("batch_size", self.batch_size, 1), ("hidden", network.hidden, 1),
            ("character_dimensions", network.character_dimensions, 1), ("extra_words", network.extra_words, 0),
            ("character_units", network.character_units, 2), ("max_characters", network.max_characters, 2),
            ("dimensions", network.dimensions, 0), ("transition_rank", network.transition_rank, 0),
            ("tokenizer_epochs", self.segmenter.tokenizer_epochs, 1),
        ):  # fmt: skip
            if value < minimum:
                raise ConfigError(f"{name} is {value}; it must be at least {minimum}")
        if network.transition_rank and network.output != "crf":
            raise ConfigError(
                "transition_rank is a setting of the CRF; leave out --output softmax or --transition-rank"
            )
        if "bilstm" in network.characters and network.character_units % 2:
            raise ConfigError(
                f"character_units is {network.character_units}; a character BiLSTM needs an even number, half of them "
                "for each direction"
            )
        if network.layers not in (1, 2):
            raise ConfigError(f"layers is {network.layers}; it can be 1 or 2")
        for name in ("warm_up", "input_dropout", "dropout", "word_dropout", "recase", "ema"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 0 and below 1")
        for name in ("learning_rate", "clip", "auxiliary_weight"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be above 0")
        if bool(self.data.data) == bool(self.data.train):
            raise ConfigError("name either --data (ewt, uner-ewt, btc, wnut17, conll2003) or --train (a file)")
        if self.data.train_on_dev and self.select != "last":
            raise ConfigError("--train-on-dev leaves nothing to choose an epoch by; add --select last")
        if self.data.data and (self.data.dev or self.data.test):
            raise ConfigError("--dev and --test go with --train; --data has its own")


_SMALL = NetworkConfig(dimensions=16, character_dimensions=8, character_units=8, hidden=16, layers=1, extra_words=1000)

EWT = DataConfig(data="ewt")

PRESETS: dict[str, TaggerConfig] = {
    "default": TaggerConfig(data=EWT),
    "debug": TaggerConfig(data=EWT, network=_SMALL, epochs=2, batch_size=8, ema=0.9),
}
"""`--preset`: initial settings, which flags override."""


def stored_config(run: Run) -> TaggerConfig:
    """The settings of a run."""
    return from_dict(TaggerConfig, run.config(FAMILY), where=str(run.path))


def with_seed(config: TaggerConfig, seed: int) -> TaggerConfig:
    """The same run with another seed."""
    return replace(config, seed=seed)
