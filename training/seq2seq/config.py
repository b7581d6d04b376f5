"""The configuration of a translator's training run."""

from dataclasses import dataclass, field
from typing import Literal

from training.common.config import doc, from_dict
from training.common.errors import ConfigError
from training.common.precision import ScaledPrecision
from training.common.run import Run

FAMILY = "seq2seq"
MTDATA_PREFIX = "mtdata:"
PHRASEBOOK = "phrasebook"
"""Names Lectern's own English and German pairs where a file is named."""
"""What the name of a corpus of mtdata's index begins with, where a data set or a file may be named."""

Cell = Literal["lstm", "gru"]
Attention = Literal["general", "dot", "additive", "none"]
AttentionPosition = Literal["first", "last"]
Tied = Literal["all", "target", "none"]
Pieces = Literal["bpe", "unigram"]
Select = Literal["best", "average", "last"]


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """The sentence pairs, and how they are cleaned and split."""

    data: str = field(
        default="",
        metadata=doc(
            "tatoeba:eng-deu (any pair of manythings.org/anki, in either direction), multi30k:en-de, or mtdata:ID (a "
            "corpus of mtdata's index, from the first language of the id to the second); or name files with --train"
        ),
    )
    train: str = field(
        default="",
        metadata=doc(
            "training pairs: a .tsv, .csv, .tmx, .xlf, .po or .zip file or URL, two files with a sentence per line "
            "(corpus.en,corpus.de), or mtdata:ID"
        ),
    )
    extra: str = field(
        default="",
        metadata=doc(
            "further training pairs beside --data or --train, in the same formats, such as those that the command "
            "translate writes; pairs that share a side with dev or test are left out"
        ),
    )
    in_domain: str = field(
        default="",
        metadata=doc(
            "further training pairs, as --extra, of the domain that the translator is for, each of them several times "
            "(mixed fine-tuning, Chu et al. 2017); phrasebook: the everyday English and German ones that come with "
            "Lectern"
        ),
    )
    oversampling: int = field(default=3, metadata=doc("how many times each of the --in-domain pairs is taken"))
    dev: str = field(
        default="", metadata=doc("dev pairs, by which epochs are compared; without them some of --train are held out")
    )
    test: str = field(default="", metadata=doc("test pairs; without them and --dev some of --train are held out"))
    source: str = field(default="", metadata=doc("source language, as en; goes with --train"))
    target: str = field(default="", metadata=doc("target language, as de; goes with --train"))
    swap: bool = field(default=False, metadata=doc("the first column or file is the target"))
    header: bool | None = field(
        default=None,
        metadata=doc(
            "the first line of a table names its columns; None: inferred from its words (source, target, en, de)"
        ),
    )
    encoding: str = field(
        default="", metadata=doc("encoding of files that are no UTF-8 and have no byte order mark, as cp1252")
    )
    skip_bad: bool = field(
        default=False, metadata=doc("leave out lines of the files that cannot be read, and count them")
    )
    max_length: int = field(default=60, metadata=doc("longest sentence that is kept, in words"))
    max_ratio: float = field(default=3.0, metadata=doc("largest ratio of the longer side to the shorter, in words"))
    check_languages: bool = field(
        default=False,
        metadata=doc("leave out training pairs with a side that is in another language than most of that side"),
    )
    min_alignment: float = field(
        default=0.0,
        metadata=doc(
            "leave out training pairs whose alignment score is lower: the share of the words that word alignment links "
            "as in other pairs, 0 to 1. 0.2 suits a noisy corpus of ten thousand pairs and more; 0: none"
        ),
    )
    held_out: int = field(
        default=2_000, metadata=doc("sentences of dev, and of test, if they are held out of the training pairs")
    )
    lower_case: bool = field(default=False, metadata=doc("lowercase source and target"))
    split_seed: int = field(
        default=0,
        metadata=doc("seed that selects the held-out pairs; the same for both directions", key="seed_split"),
    )


@dataclass(frozen=True, kw_only=True)
class SubwordConfig:
    """The SentencePiece vocabularies."""

    kind: Pieces = field(default="bpe", metadata=doc("SentencePiece's byte-pair encoding or unigram model"))
    vocabulary: int = field(default=8_000, metadata=doc("number of pieces, of each language or of both together"))
    joint: bool = field(default=True, metadata=doc("one vocabulary for both languages"))
    sampling: float = field(
        default=0.0,
        metadata=doc("subword regularization in training: BPE dropout, or sampling from the unigram model"),
    )


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """The architecture of the network."""

    cell: Cell = field(default="lstm", metadata=doc("LSTM, or GRU as in Cho et al. and Bahdanau et al."))
    embedding: int = field(default=320, metadata=doc("size of the embeddings"))
    encoder_layers: int = field(default=1, metadata=doc("layers of the encoder, 1 to 3"))
    encoder_hidden: int = field(default=256, metadata=doc("units of each encoder layer in each direction"))
    bidirectional: bool = field(default=True, metadata=doc("encode in both directions; else backward only"))
    decoder_layers: int = field(default=2, metadata=doc("layers of the decoder, 1 to 3"))
    hidden: int = field(default=384, metadata=doc("units of each decoder layer"))
    attention: Attention = field(
        default="general", metadata=doc("Luong's general or dot, Bahdanau's additive, or none as in Sutskever et al.")
    )
    attend_after: AttentionPosition = field(
        default="first",
        metadata=doc(
            "the decoder layer that queries the attention: first (the layers above read its context, Wu et al. 2016) "
            "or last (Luong et al.)"
        ),
    )
    input_feeding: bool = field(
        default=False, metadata=doc("feed the attentional vector to the next step (Luong et al., section 3.3)")
    )
    tied: Tied = field(
        default="all",
        metadata=doc("share one matrix among source, target and output embeddings; between target and output; or none"),
    )
    layer_norm: bool = field(default=False, metadata=doc("layer normalization of the outputs of the recurrent layers"))
    residual: bool = field(
        default=False,
        metadata=doc("add the input of every layer but the first to its output (He et al. 2016, Wu et al. 2016)"),
    )
    encoder_residual: bool = field(
        default=False,
        metadata=doc("the same in the encoder alone; with --init it may get layers that the earlier network lacks"),
    )
    embedding_dropout: float = field(default=0.1, metadata=doc("variational dropout of the embeddings"))
    dropout: float = field(default=0.2, metadata=doc("variational dropout between layers and before the output"))
    piece_dropout: float = field(default=0.0, metadata=doc("dropout of whole embeddings (Sennrich and Zhang)"))


@dataclass(frozen=True, kw_only=True)
class TranslatorConfig:
    """One run: data, subwords, network, augmentation, optimization."""

    data: DataConfig = field(default_factory=DataConfig)
    subwords: SubwordConfig = field(default_factory=SubwordConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    init: str = field(
        default="",
        metadata=doc(
            "run, or version of an exported bundle (models/translate-en-de/7), to initialize from: its weights, "
            "network settings and vocabulary are reused"
        ),
    )
    fragments: float = field(
        default=0.0,
        metadata=doc(
            "share of the pairs that lose their final punctuation in an epoch, like single words and headings"
        ),
    )
    phrases: float = field(
        default=0.0,
        metadata=doc("extracted words and phrases added in each epoch, as a multiple of the number of training pairs"),
    )
    placeholders: float = field(
        default=0.0,
        metadata=doc(
            "share of the pairs that get a placeholder for a word and its translation in an epoch: the translator "
            "learns to copy what its vocabulary does not know",
            key="copies",
        ),
    )
    compounds: float = field(
        default=0.0,
        metadata=doc(
            "share of the pairs to which a second one is joined in an epoch, by and, but or a semicolon: long sentences"
        ),
    )
    rare_words: float = field(
        default=0.0,
        metadata=doc(
            "share of the pairs with numbers, dates, codes and names in which typed placeholders stand for those on "
            "both sides (Luong et al. 2015); above 0 the translator puts them back in the target's notation"
        ),
    )
    epoch_share: float = field(
        default=1.0,
        metadata=doc("share of the training pairs in one epoch: 0.1 saves a checkpoint ten times in a pass over them"),
    )
    epochs: int = field(default=9, metadata=doc("passes over the training pairs"))
    batch_tokens: int = field(
        default=2_000,
        metadata=doc("maximum tokens per batch, padding included, counted on the longer side of the pairs"),
    )
    learning_rate: float = field(default=2e-3, metadata=doc("peak learning rate of AdamW"))
    weight_decay: float = field(default=0.01, metadata=doc("weight decay of AdamW, on matrices"))
    warm_up: float = field(default=0.05, metadata=doc("share of the steps in which the learning rate rises"))
    label_smoothing: float = field(default=0.1, metadata=doc("label smoothing"))
    clip: float = field(default=1.0, metadata=doc("maximum gradient norm"))
    consistency: float = field(
        default=0.0,
        metadata=doc(
            "weight alpha of R-Drop (Wu et al. 2021): each pair is read twice with other dropout, and the predictions "
            "are drawn together; a step takes two and a half times as long"
        ),
    )
    moving_average: float = field(
        default=0.0,
        metadata=doc(
            "decay, in a step, of the moving average of the weights, which is evaluated and kept in their place: "
            "0.999 averages the last thousand steps or so; 0: none"
        ),
    )
    precision: ScaledPrecision = field(
        default="auto",
        metadata=doc(
            "number format of the matrix products in training; auto: bf16 if the hardware has units for it, else fp32"
        ),
    )
    average: int = field(
        default=3, metadata=doc("number of last epochs whose weights are averaged at the end; 1: none")
    )
    patience: int = field(
        default=0, metadata=doc("stop after this number of epochs without a better dev BLEU; 0: never")
    )
    select: Select = field(
        default="best",
        metadata=doc("weights to keep: the best on dev of all epochs and the average; the average; or the last epoch"),
    )
    seed: int = field(default=0, metadata=doc("seed of everything random in the run"))

    def __post_init__(self) -> None:
        network = self.network
        for name, value in (
            ("epochs", self.epochs), ("batch_tokens", self.batch_tokens), ("embedding", network.embedding),
            ("hidden", network.hidden), ("encoder_hidden", network.encoder_hidden), ("average", self.average),
            ("oversampling", self.data.oversampling), ("held_out", self.data.held_out),
            ("max_length", self.data.max_length),
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
            ("fragments", self.fragments), ("compounds", self.compounds), ("placeholders", self.placeholders),
            ("moving_average", self.moving_average),
        ):  # fmt: skip
            if not 0 <= share < 1:
                raise ConfigError(f"{name} is {share}; it must be at least 0 and below 1")
        for name, share in (("rare_words", self.rare_words), ("epoch_share", self.epoch_share)):
            if not 0 <= share <= 1:
                raise ConfigError(f"{name} is {share}; it must be from 0 to 1")
        if not self.epoch_share:
            raise ConfigError("epoch_share is 0; it must be above 0")
        for name in ("learning_rate", "clip"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be above 0")
        for name in ("phrases", "consistency"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 0")
        if self.data.max_ratio < 1:
            raise ConfigError(f"max_ratio is {self.data.max_ratio}; it must be at least 1")
        if not 0 <= self.data.min_alignment < 1:
            raise ConfigError(f"min_alignment is {self.data.min_alignment}; it must be at least 0 and below 1")
        if self.patience < 0:
            raise ConfigError(f"patience is {self.patience}; it must be at least 0")
        self._check_data()
        self._check_network()

    def _check_data(self) -> None:
        data = self.data
        if bool(data.data) == bool(data.train):
            raise ConfigError("name either --data (tatoeba:eng-deu, multi30k:en-de, mtdata:ID) or --train (files)")
        own_splits = data.dev or data.test or data.swap
        if data.data and (data.source or data.target or (own_splits and not data.data.startswith(MTDATA_PREFIX))):
            raise ConfigError("--dev, --test, --source, --target and --swap go with --train; --data has its own")
        if data.train and not (data.source and data.target):
            raise ConfigError("--train needs --source and --target, the languages as ISO 639-1 writes them: en, de")

    def _check_network(self) -> None:
        network = self.network
        if network.tied == "all" and not self.subwords.joint:
            raise ConfigError("--tied all needs one vocabulary for both languages: --joint, or --tied target")
        if network.input_feeding and network.attention == "none":
            raise ConfigError(
                "--input-feeding feeds the attentional vector: it needs --attention general, dot or additive"
            )
        if network.attention == "dot" and self.memory_width != network.hidden:
            raise ConfigError(
                f"--attention dot multiplies decoder states of {network.hidden} with encoder states of "
                f"{self.memory_width}: choose --hidden and --encoder-hidden so that they are equal, or take general"
            )

    @property
    def copies(self) -> bool:
        """Whether the translator learns to copy, so that it may write placeholders."""
        return bool(self.placeholders or self.rare_words)

    @property
    def memory_width(self) -> int:
        """Size of the encoder's output for each source token."""
        return self.network.encoder_hidden * (2 if self.network.bidirectional else 1)


_SMALL = NetworkConfig(embedding=32, encoder_layers=1, encoder_hidden=32, decoder_layers=1, hidden=64)

TATOEBA = DataConfig(data="tatoeba:eng-deu")

PRESETS: dict[str, TranslatorConfig] = {
    "default": TranslatorConfig(data=TATOEBA, fragments=0.2, phrases=0.5, placeholders=0.15),
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
"""Configurations to start from (`--preset`); options change them."""


def stored_config(run: Run) -> TranslatorConfig:
    """The settings a run was started with."""
    return from_dict(TranslatorConfig, run.config(FAMILY), where=str(run.path))
