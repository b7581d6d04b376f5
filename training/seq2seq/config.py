"""Everything a translator's run depends on."""

from dataclasses import dataclass, field, replace
from typing import Literal

from training.common.config import doc, from_dict
from training.common.errors import ConfigError
from training.common.run import Run

FAMILY = "seq2seq"

Cell = Literal["lstm", "gru"]
Attention = Literal["general", "dot", "additive", "none"]
Place = Literal["first", "last"]
Tied = Literal["all", "target", "none"]
Pieces = Literal["bpe", "unigram"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
Select = Literal["best", "average", "last"]


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which sentence pairs, and how they are cleaned and split."""

    data: str = field(
        default="",
        metadata=doc(
            "tatoeba:eng-deu (any pair of manythings.org/anki, in either direction) or multi30k:en-de; "
            "or name files with --train"
        ),
    )
    train: str = field(
        default="",
        metadata=doc(
            "pairs to train on: a .tsv or .zip file or URL, or two files of as many lines: corpus.en,corpus.de"
        ),
    )
    dev: str = field(default="", metadata=doc("pairs to choose by; without them some of --train are held out"))
    test: str = field(default="", metadata=doc("pairs to test on; without them and --dev some of --train are held out"))
    source: str = field(default="", metadata=doc("language of the first column or file, as en; goes with --train"))
    target: str = field(default="", metadata=doc("language to translate to, as de; goes with --train"))
    swap: bool = field(default=False, metadata=doc("the files' first column or file is the target"))
    max_length: int = field(default=60, metadata=doc("longest sentence that is kept, in words"))
    max_ratio: float = field(default=3.0, metadata=doc("longest side over shortest, in words, that is kept"))
    held_out: int = field(default=2_000, metadata=doc("sentences of dev, and of test, where they are split off here"))
    lower_case: bool = field(default=False, metadata=doc("train on and translate to small letters"))
    seed_split: int = field(default=0, metadata=doc("draws what is held out; the same for both directions"))


@dataclass(frozen=True, kw_only=True)
class SubwordConfig:
    """The SentencePiece vocabulary, or both of them."""

    kind: Pieces = field(default="bpe", metadata=doc("SentencePiece's byte-pair encoding or unigram model"))
    vocabulary: int = field(default=8_000, metadata=doc("pieces, of each language or of both together"))
    joint: bool = field(default=True, metadata=doc("one vocabulary for both languages"))
    sampling: float = field(
        default=0.0,
        metadata=doc("BPE dropout, or how often another segmentation is drawn from the unigram model, in training"),
    )


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """What the network is made of."""

    cell: Cell = field(default="lstm", metadata=doc("LSTM, or GRU as in Cho et al. and Bahdanau et al."))
    embedding: int = field(default=320, metadata=doc("width of a piece's embedding"))
    encoder_layers: int = field(default=1, metadata=doc("layers of the encoder, 1 to 3"))
    encoder_hidden: int = field(default=256, metadata=doc("units of each encoder layer in each direction"))
    bidirectional: bool = field(default=True, metadata=doc("read the source from both ends; else backwards only"))
    decoder_layers: int = field(default=2, metadata=doc("layers of the decoder, 1 to 3"))
    hidden: int = field(default=384, metadata=doc("units of each decoder layer"))
    attention: Attention = field(
        default="general", metadata=doc("Luong's general or dot, Bahdanau's additive, or none as in Sutskever et al.")
    )
    attend_after: Place = field(
        default="first",
        metadata=doc(
            "which decoder layer asks: first (the layers above read what was attended to, Wu et al. 2016) "
            "or last (Luong et al.)"
        ),
    )
    input_feeding: bool = field(
        default=False, metadata=doc("the attentional vector goes into the next step too (Luong et al., section 3.3)")
    )
    tied: Tied = field(
        default="all",
        metadata=doc("one matrix for source, target and output embeddings; for target and output; or none"),
    )
    layer_norm: bool = field(default=False, metadata=doc("normalise what each recurrent layer gives out"))
    embedding_dropout: float = field(default=0.1, metadata=doc("share of an embedding dropped, the same all sentence"))
    dropout: float = field(default=0.2, metadata=doc("the same between layers and before the output"))
    piece_dropout: float = field(
        default=0.0, metadata=doc("share of the pieces whose embedding is dropped whole (Sennrich and Zhang)")
    )


@dataclass(frozen=True, kw_only=True)
class TranslatorConfig:
    """One run: data, subwords, network, optimisation."""

    data: DataConfig = field(default_factory=DataConfig)
    subwords: SubwordConfig = field(default_factory=SubwordConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    init: str = field(
        default="",
        metadata=doc("begin with the weights, the network and the vocabulary of this run, to go on with other pairs"),
    )
    fragments: float = field(
        default=0.0,
        metadata=doc("share of the pairs shown without the marks at their ends, as single words and headings come"),
    )
    phrases: float = field(
        default=0.0,
        metadata=doc("words and phrases found in the pairs, shown beside them: so many to a pair"),
    )
    copies: float = field(
        default=0.0,
        metadata=doc(
            "share of the pairs shown with a stand-in for a word and its translation: the translator learns to copy "
            "what its vocabulary does not know"
        ),
    )
    epochs: int = field(default=9, metadata=doc("passes over the training pairs"))
    batch_tokens: int = field(default=2_000, metadata=doc("target pieces per step, about"))
    learning_rate: float = field(default=2e-3, metadata=doc("AdamW's highest learning rate"))
    weight_decay: float = field(default=0.01, metadata=doc("AdamW's weight decay, on matrices"))
    warm_up: float = field(default=0.05, metadata=doc("share of the steps in which the learning rate rises"))
    label_smoothing: float = field(default=0.1, metadata=doc("probability given to all other pieces"))
    clip: float = field(default=1.0, metadata=doc("longest gradient"))
    precision: Precision = field(
        default="auto",
        metadata=doc("of the matrix products in training; auto: bf16 where the hardware multiplies it fast, else fp32"),
    )
    average: int = field(default=3, metadata=doc("last epochs whose weights are averaged at the end; 1: none"))
    patience: int = field(default=0, metadata=doc("stop after so many epochs without a better dev BLEU; 0: never"))
    select: Select = field(
        default="best",
        metadata=doc("keep what is best on dev of all epochs and the average; or the average, or the last epoch"),
    )
    seed: int = field(default=0, metadata=doc("everything random in the run derives from it"))

    def __post_init__(self) -> None:
        network = self.network
        for name, value in (
            ("epochs", self.epochs), ("batch_tokens", self.batch_tokens), ("embedding", network.embedding),
            ("hidden", network.hidden), ("encoder_hidden", network.encoder_hidden), ("average", self.average),
            ("held_out", self.data.held_out), ("max_length", self.data.max_length),
        ):  # fmt: skip
            if value < 1:
                raise ConfigError(f"{name} is {value}; it must be at least 1")
        if self.subwords.vocabulary < 32:
            raise ConfigError(f"vocabulary is {self.subwords.vocabulary}; it must be at least 32")
        for name in ("encoder_layers", "decoder_layers"):
            if getattr(network, name) not in (1, 2, 3):
                raise ConfigError(f"{name} is {getattr(network, name)}; it can be 1, 2 or 3")
        for name, share in (
            ("embedding_dropout", network.embedding_dropout), ("dropout", network.dropout),
            ("piece_dropout", network.piece_dropout), ("warm_up", self.warm_up),
            ("label_smoothing", self.label_smoothing), ("sampling", self.subwords.sampling),
            ("fragments", self.fragments), ("copies", self.copies),
        ):  # fmt: skip
            if not 0 <= share < 1:
                raise ConfigError(f"{name} is {share}; it must be at least 0 and below 1")
        for name in ("learning_rate", "clip"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be above 0")
        if self.phrases < 0:
            raise ConfigError(f"phrases is {self.phrases}; it must be at least 0")
        if self.data.max_ratio < 1:
            raise ConfigError(f"max_ratio is {self.data.max_ratio}; it must be at least 1")
        if self.patience < 0:
            raise ConfigError(f"patience is {self.patience}; it must be at least 0")
        self._check_data()
        self._check_network()

    def _check_data(self) -> None:
        data = self.data
        if bool(data.data) == bool(data.train):
            raise ConfigError("name either --data (tatoeba:eng-deu, multi30k:en-de) or --train (files)")
        if data.data and (data.dev or data.test or data.source or data.target or data.swap):
            raise ConfigError("--dev, --test, --source, --target and --swap go with --train; --data has its own")
        if data.train and not (data.source and data.target):
            raise ConfigError("--train needs --source and --target, the languages as ISO 639-1 writes them: en, de")
        if data.test and not data.dev:
            raise ConfigError("--test needs --dev: what is held out of --train could stand in --test")

    def _check_network(self) -> None:
        network = self.network
        if network.tied == "all" and not self.subwords.joint:
            raise ConfigError("--tied all needs one vocabulary for both languages: --joint, or --tied target")
        if network.input_feeding and network.attention == "none":
            raise ConfigError(
                "--input-feeding feeds what was attended to: it needs --attention general, dot or additive"
            )
        if network.attention == "dot" and self.memory_width != network.hidden:
            raise ConfigError(
                f"--attention dot multiplies decoder states of {network.hidden} with encoder states of "
                f"{self.memory_width}: choose --hidden and --encoder-hidden so that they are equal, or take general"
            )

    @property
    def memory_width(self) -> int:
        """Units of what the encoder gives out for each source piece."""
        return self.network.encoder_hidden * (2 if self.network.bidirectional else 1)


_SMALL = NetworkConfig(embedding=32, encoder_layers=1, encoder_hidden=32, decoder_layers=1, hidden=64)

TATOEBA = DataConfig(data="tatoeba:eng-deu")

PRESETS: dict[str, TranslatorConfig] = {
    "default": TranslatorConfig(data=TATOEBA, fragments=0.2, phrases=0.5, copies=0.15),
    "sutskever2014": TranslatorConfig(
        data=TATOEBA,
        network=NetworkConfig(
            attention="none", bidirectional=False, encoder_layers=2, encoder_hidden=512, hidden=512
        ),
    ),
    "bahdanau2015": TranslatorConfig(
        data=TATOEBA,
        network=NetworkConfig(
            cell="gru", attention="additive", input_feeding=True, encoder_layers=1, decoder_layers=1,
            attend_after="last",
        ),
    ),
    "luong2015": TranslatorConfig(
        data=TATOEBA,
        network=NetworkConfig(
            attention="general", input_feeding=True, attend_after="last", bidirectional=False, encoder_layers=2,
            encoder_hidden=384, hidden=384,
        ),
    ),
    "debug": TranslatorConfig(
        data=TATOEBA, subwords=SubwordConfig(vocabulary=200), network=_SMALL, epochs=2, batch_tokens=500, average=2
    ),
}  # fmt: skip
"""`--preset`: where a configuration starts; flags change it from there."""


def stored_config(run: Run) -> TranslatorConfig:
    """The settings a run was started with."""
    return from_dict(TranslatorConfig, run.config(FAMILY), where=str(run.path))


def with_seed(config: TranslatorConfig, seed: int) -> TranslatorConfig:
    """The same run with another seed."""
    return replace(config, seed=seed)
