"""Everything a tagger's run depends on."""

from dataclasses import dataclass, field, replace
from typing import Literal

from training.common.config import doc, from_dict
from training.common.errors import ConfigError
from training.common.run import Run

FAMILY = "bilstm_crf"

Scheme = Literal["auto", "iob1", "iob2", "bioes", "none"]
Characters = Literal["cnn", "bilstm", "none"]
Output = Literal["crf", "softmax"]
Select = Literal["best", "last"]


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which sentences, and which column of them."""

    data: str = field(
        default="",
        metadata=doc("ewt, uner-ewt, btc, wnut17, conll2003, or several joined with +; or name files with --train"),
    )
    train: str = field(
        default="", metadata=doc("file or URL to train on: CoNLL-U, or columns with blank lines between")
    )
    dev: str = field(default="", metadata=doc("file or URL to choose by; without it a tenth of --train is held out"))
    test: str = field(default="", metadata=doc("file or URL to test on"))
    column: str = field(
        default="",
        metadata=doc(
            "upos, xpos or ner, or a column's number from the left (from 1) or right (from -1); "
            "left out: upos of CoNLL-U, the last of other files"
        ),
    )
    scheme: Scheme = field(
        default="auto",
        metadata=doc("how spans are written; none: the tags are no spans; auto: found out from the tags"),
    )
    train_on_dev: bool = field(
        default=False,
        metadata=doc("once the settings are chosen: train on the dev sentences too; goes with --select last"),
    )
    mark_sources: bool = field(
        default=False,
        metadata=doc(
            "of joined sets: training sentences of all but the first begin with a token that names their set, so that "
            "what each calls a name is told apart; without such a token tags are the first set's"
        ),
    )


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """What the network is made of."""

    vectors: str = field(
        default="",
        metadata=doc(
            "word vectors to begin with: a word2vec run, a bundle, a word2vec or GloVe file, or several with commas "
            "between, which are put side by side; none: random"
        ),
    )
    dimensions: int = field(
        default=0, metadata=doc("of the word vectors: fewer than given are principal components; 0: as given, or 100")
    )
    other_words: int = field(
        default=20_000, metadata=doc("most frequent words of --vectors kept besides those trained on; 0: all")
    )
    tune_vectors: bool = field(default=True, metadata=doc("train the vectors of the words that are trained on too"))
    characters: Characters = field(
        default="cnn", metadata=doc("how spelling is read: Ma and Hovy's CNN, Lample's BiLSTM, or not at all")
    )
    character_dimensions: int = field(default=32, metadata=doc("width of a character's embedding"))
    character_units: int = field(default=64, metadata=doc("filters of the CNN, or units of both LSTMs together"))
    max_characters: int = field(default=24, metadata=doc("characters of a word that are read, first and last ones"))
    layers: int = field(default=2, metadata=doc("BiLSTM layers, 1 or 2"))
    hidden: int = field(default=128, metadata=doc("units of each LSTM, one per direction and layer"))
    output: Output = field(default="crf", metadata=doc("linear-chain CRF, or a softmax for each word alone"))


@dataclass(frozen=True, kw_only=True)
class TaggerConfig:
    """One run: data, network, optimisation."""

    data: DataConfig = field(default_factory=DataConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    auxiliary: str = field(
        default="",
        metadata=doc(
            "another column of the training sentences, learnt beside to help and not exported; ewt:xpos: that of a "
            "known set, where it has the same sentences"
        ),
    )
    auxiliary_weight: float = field(default=0.3, metadata=doc("of the auxiliary column's loss"))
    epochs: int = field(default=30, metadata=doc("passes over the training sentences"))
    batch_size: int = field(
        default=32, metadata=doc("sentences per step; of small sets fewer, so that an epoch has 20")
    )
    learning_rate: float = field(default=3e-3, metadata=doc("AdamW's highest learning rate"))
    weight_decay: float = field(default=0.01, metadata=doc("AdamW's weight decay, on matrices"))
    warm_up: float = field(default=0.05, metadata=doc("share of the steps in which the learning rate rises"))
    input_dropout: float = field(default=0.4, metadata=doc("share of a word's features dropped, the same all sentence"))
    dropout: float = field(default=0.4, metadata=doc("the same between and after the BiLSTM layers"))
    word_dropout: float = field(default=0.05, metadata=doc("share of the words shown as the unknown word"))
    clip: float = field(default=5.0, metadata=doc("longest gradient"))
    ema: float = field(default=0.998, metadata=doc("decay per step of the averaged weights that are kept; 0: the last"))
    select: Select = field(default="best", metadata=doc("keep the epoch that is best on dev, or the last"))
    seed: int = field(default=0, metadata=doc("everything random in the run derives from it"))

    def __post_init__(self) -> None:
        network = self.network
        for name, value, least in (
            ("epochs", self.epochs, 1), ("batch_size", self.batch_size, 1), ("hidden", network.hidden, 1),
            ("character_dimensions", network.character_dimensions, 1), ("other_words", network.other_words, 0),
            ("character_units", network.character_units, 2), ("max_characters", network.max_characters, 2),
            ("dimensions", network.dimensions, 0),
        ):  # fmt: skip
            if value < least:
                raise ConfigError(f"{name} is {value}; it must be at least {least}")
        if network.layers not in (1, 2):
            raise ConfigError(f"layers is {network.layers}; it can be 1 or 2")
        for name in ("warm_up", "input_dropout", "dropout", "word_dropout", "ema"):
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


_SMALL = NetworkConfig(dimensions=16, character_dimensions=8, character_units=8, hidden=16, layers=1, other_words=1000)

EWT = DataConfig(data="ewt")

PRESETS: dict[str, TaggerConfig] = {
    "default": TaggerConfig(data=EWT),
    "debug": TaggerConfig(data=EWT, network=_SMALL, epochs=2, batch_size=8, ema=0.9),
}
"""`--preset`: where a configuration starts; flags change it from there."""


def stored_config(run: Run) -> TaggerConfig:
    """The settings a run was started with."""
    return from_dict(TaggerConfig, run.config(FAMILY), where=str(run.path))


def with_seed(config: TaggerConfig, seed: int) -> TaggerConfig:
    """The same run with another seed."""
    return replace(config, seed=seed)
