"""Bodies that would hold or fill a server which looks at them too late, and the largest that its limits allow."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import orjson

from service.limits import Limits

LIMITS = Limits()
_LENGTH = "inference-header-content-length"
_BOUNDARY = b"----boundary"


@dataclass(frozen=True, kw_only=True)
class HostileBody:
    """A request, and what must become of it."""

    name: str
    path: str
    make: Callable[[], bytes]
    """Makes the body; called once for each request, so that a list of them takes no memory."""
    status: int
    text: str = ""
    """What the answer must hold."""
    headers: dict[str, str] = field(default_factory=dict)
    media_type: str = "application/json"

    @property
    def all_headers(self) -> dict[str, str]:
        """The headers of the request."""
        return {"content-type": self.media_type} | self.headers


def _json(prefix: str, item: str, count: int, suffix: str = "]}") -> Callable[[], bytes]:
    """A JSON body that holds an item many times."""
    return lambda: (prefix + ",".join([item] * count) + suffix).encode()


def _keys(prefix: str, count: int, suffix: str = "}") -> Callable[[], bytes]:
    return lambda: (prefix + ",".join(f'"k{index}":1' for index in range(count)) + suffix).encode()


def _gzipped(make: Callable[[], bytes]) -> Callable[[], bytes]:
    return lambda: gzip.compress(make(), 6)


def _infer(inputs: bytes) -> bytes:
    return b'{"inputs":[' + inputs + b"]}"


def _empty_strings(count: int) -> bytes:
    """Binary tensors of BYTES whose elements are all empty."""
    tensor = {"name": "TEXT", "shape": [count, 1], "datatype": "BYTES", "parameters": {"binary_data_size": 4 * count}}
    return _infer(orjson.dumps(tensor)).ljust(1000) + bytes(4 * count)


def _parts(count: int, head: bytes = b'content-disposition: form-data; name="image"\r\n', data: bytes = b"x") -> bytes:
    """A multipart form."""
    part = b"--" + _BOUNDARY + b"\r\n" + head + b"\r\n" + data + b"\r\n"
    return part * count + b"--" + _BOUNDARY + b"--\r\n"


_TAG = '{"model":"pos-en","tokens":['
_GZIP = {"content-encoding": "gzip"}
_FORM = "application/x-www-form-urlencoded"
_MULTIPART = f"multipart/form-data; boundary={_BOUNDARY.decode()}"
_LIBRE = '"source":"en","target":"de"'

HOSTILE: tuple[HostileBody, ...] = (
    HostileBody(
        name="tag: a gzip bomb of empty lists",
        path="/v1/tag",
        make=_gzipped(_json(_TAG, "[]", 5_000_000)),
        headers=_GZIP,
        status=413,
        text="LECTERN_MAX_TOTAL_TOKENS",
    ),
    HostileBody(
        name="tag: a deflate bomb",
        path="/v1/tag",
        make=lambda: zlib.compress(bytes(50_000_000)),
        headers={"content-encoding": "deflate"},
        status=413,
        text="LECTERN_MAX_BODY_BYTES",
    ),
    HostileBody(
        name="tag: gzip within gzip",
        path="/v1/tag",
        make=_gzipped(_gzipped(_json(_TAG, "[]", 9))),
        headers={"content-encoding": "gzip, gzip"},
        status=415,
    ),
    HostileBody(
        name="tag: empty lists", path="/v1/tag", make=_json(_TAG, "[]", 1_000_000), status=422, text='"field":"tokens"'
    ),
    HostileBody(
        name="tag: lists with a space",
        path="/v1/tag",
        make=_json('{"tokens" : [', "[ ]", 900_000),
        status=422,
        text='"field":"tokens"',
    ),
    HostileBody(
        name="tag: objects", path="/v1/tag", make=_json(_TAG, "{}", 1_000_000), status=422, text='"field":"tokens"'
    ),
    HostileBody(
        name="tag: numbers",
        path="/v1/tag",
        make=_json('{"texts":[', "1", 2_000_000),
        status=422,
        text="LECTERN_MAX_TEXTS",
    ),
    HostileBody(name="tag: nulls", path="/v1/tag", make=_json('{"texts":[', "null", 600_000), status=422),
    HostileBody(name="tag: unknown keys", path="/v1/tag", make=_keys("{", 400_000), status=422, text="fields"),
    HostileBody(
        name="tag: one unknown long key", path="/v1/tag", make=_json('{"', "k" * 2_000_000, 1, '":1}'), status=422
    ),
    HostileBody(
        name="tag: keys in a text's place",
        path="/v1/tag",
        make=_json('{"text":{', '"a":1', 300_000, "}}"),
        status=422,
        text="fields",
    ),
    HostileBody(name="tag: depth", path="/v1/tag", make=lambda: b'{"tokens":' + b"[" * 4_000_000, status=422),
    HostileBody(name="tag: depth, few", path="/v1/tag", make=lambda: b'{"tokens":' + b"[" * 30_000, status=400),
    HostileBody(name="tag: no JSON", path="/v1/tag", make=lambda: b"\xff" * 4_000_000, status=400),
    HostileBody(name="tag: no end", path="/v1/tag", make=lambda: b'{"text":"' + b"\\" * 4_000_001, status=400),
    HostileBody(name="tag: a long number", path="/v1/tag", make=_json('{"text":', "9" * 4_000_000, 1, "}"), status=400),
    HostileBody(
        name="similarity: unknown keys gzipped",
        path="/v1/similarity",
        make=_gzipped(_keys("{", 1_200_000)),
        headers=_GZIP,
        status=413,
    ),
    HostileBody(
        name="similarity: wrong pairs",
        path="/v1/similarity",
        make=_json('{"pairs":[', "[1]", 19_000),
        status=422,
        text="pairs[0][0]",
    ),
    HostileBody(
        name="neighbors: empty vectors",
        path="/v1/neighbors",
        make=_json('{"vectors":[', "[]", 1_000_000),
        status=422,
        text='"field":"vectors"',
    ),
    HostileBody(
        name="neighbors: one long vector",
        path="/v1/neighbors",
        make=_json('{"vectors":[[', "1", 1_900_000, "]]}"),
        status=422,
        text="LECTERN_MAX_NUMBERS",
    ),
    HostileBody(
        name="neighbors: wrong words",
        path="/v1/neighbors",
        make=_json('{"words":[', "1", 19_000),
        status=422,
        text="words[0]",
    ),
    HostileBody(
        name="analogy: unknown keys", path="/v1/analogy", make=_keys('{"a":"x",', 150_000), status=422, text="fields"
    ),
    HostileBody(
        name="projection: empty lists", path="/v1/projection", make=_json('{"words":[', "[]", 600_000), status=422
    ),
    HostileBody(
        name="embeddings: token ids",
        path="/v1/embeddings",
        make=_json('{"input":[', "1", 4_000_000),
        status=400,
        text="input",
    ),
    HostileBody(
        name="embeddings: lists",
        path="/v1/embeddings",
        make=_json('{"input":[', "[1]", 2_000_000),
        status=400,
        text="input",
    ),
    HostileBody(
        name="embeddings: words",
        path="/v1/embeddings",
        make=_json('{"input":[', '"' + "the " * 8_000 + '"', 99),
        status=400,
        text="LECTERN_MAX_TOTAL_WORDS",
    ),
    HostileBody(
        name="classify: pixels",
        path="/v1/classify",
        make=_json('{"pixels":[[[', "0", 8_000_000, "]]]}"),
        status=422,
        text='"field":"pixels"',
    ),
    HostileBody(
        name="classify: no pixels",
        path="/v1/classify",
        make=_json('{"pixels":[', "[]", 5_000_000),
        status=422,
        text='"field":"pixels"',
    ),
    HostileBody(
        name="classify: no images",
        path="/v1/classify",
        make=_json('{"images":[', '""', 5_000_000),
        status=422,
        text='"field":"images"',
    ),
    HostileBody(
        name="classify: emoji for base64",
        path="/v1/classify",
        make=lambda: ('{"images":["😀' + "a" * 16_000_000 + '"]}').encode(),
        status=422,
        text="base64",
    ),
    HostileBody(
        name="classify: escaped emoji",
        path="/v1/classify",
        make=lambda: b'{"images":["' + rb"\ud83d\ude00" + b"a" * 16_000_000 + b'"]}',
        status=422,
        text="base64",
    ),
    HostileBody(
        name="classify: many parts",
        path="/v1/classify",
        make=lambda: _parts(100_000),
        media_type=_MULTIPART,
        status=400,
    ),
    HostileBody(
        name="classify: many files",
        path="/v1/classify",
        make=lambda: _parts(100_000, b'content-disposition: form-data; name="image"; filename="x"\r\n'),
        media_type=_MULTIPART,
        status=422,
        text="LECTERN_MAX_IMAGES",
    ),
    HostileBody(
        name="classify: headers of a part",
        path="/v1/classify",
        make=lambda: _parts(1, b"a: b\r\n" * 1_000_000),
        media_type=_MULTIPART,
        status=400,
    ),
    HostileBody(
        name="classify: a part's long header",
        path="/v1/classify",
        make=lambda: _parts(1, b"a: " + b"b" * 10_000_000 + b"\r\n"),
        media_type=_MULTIPART,
        status=400,
    ),
    HostileBody(
        name="classify: almost boundaries",
        path="/v1/classify",
        make=lambda: _parts(
            1, b'content-disposition: form-data; name="image"; filename="x"\r\n', b"\r\n------bound" * 1_000_000
        ),
        media_type=_MULTIPART,
        status=422,
    ),
    HostileBody(
        name="classify: carriage returns",
        path="/v1/classify",
        make=lambda: _parts(1, b'content-disposition: form-data; name="image"; filename="x"\r\n', b"\r" * 16_000_000),
        media_type=_MULTIPART,
        status=422,
    ),
    HostileBody(
        name="classify: lines before the form",
        path="/v1/classify",
        make=lambda: b"\r\n" * 8_000_000 + _parts(1),
        media_type=_MULTIPART,
        status=422,
    ),
    HostileBody(
        name="classify: a long boundary",
        path="/v1/classify",
        make=lambda: _parts(1),
        media_type="multipart/form-data; boundary=" + "b" * 10_000,
        status=400,
    ),
    HostileBody(
        name="classify: query parameters",
        path="/v1/classify?" + "&".join(f"a{index}=1" for index in range(5_000)),
        make=lambda: b'{"pixels":[]}',
        status=422,
        text="query",
    ),
    HostileBody(
        name="infer: inputs",
        path="/v2/models/digits/infer",
        make=lambda: _infer(b",".join([b'{"name":"image"}'] * 250_000)),
        status=400,
    ),
    HostileBody(
        name="infer: empty inputs",
        path="/v2/models/digits/infer",
        make=lambda: _infer(b",".join([b"{}"] * 250_000)),
        status=400,
    ),
    HostileBody(
        name="infer: parameters",
        path="/v2/models/digits/infer",
        make=_keys('{"parameters":{', 1_000_000, "}}"),
        status=413,
    ),
    HostileBody(
        name="infer: fewer parameters",
        path="/v2/models/digits/infer",
        make=_keys('{"parameters":{', 200_000, "}}"),
        status=400,
        text="fields",
    ),
    HostileBody(
        name="infer: data",
        path="/v2/models/digits/infer",
        make=_json(
            '{"inputs":[{"name":"image","shape":[1,1,28,28],"datatype":"FP32","data":[', "[]", 1_000_000, "]}]}"
        ),
        status=400,
    ),
    HostileBody(
        name="infer: outputs",
        path="/v2/models/digits/infer",
        make=_json('{"inputs":[],"outputs":[', "1", 1_500_000),
        status=400,
    ),
    HostileBody(
        name="infer: empty strings",
        path="/v2/models/pos-en/infer",
        make=lambda: _empty_strings(4_000_000),
        headers={_LENGTH: "1000"},
        media_type="application/octet-stream",
        status=400,
        text="LECTERN_MAX_BATCH_SIZE",
    ),
    HostileBody(
        name="infer: JSON before tensors",
        path="/v2/models/digits/infer",
        make=lambda: _infer(b",".join([b"{}"] * 2_000_000)),
        headers={_LENGTH: "6000000"},
        media_type="application/octet-stream",
        status=413,
    ),
    HostileBody(name="index: keys", path="/v2/repository/index", make=_keys("{", 150_000), status=400),
    HostileBody(
        name="load: parameters",
        path="/v2/repository/models/digits/load",
        make=_keys('{"parameters":{', 150_000, "}}"),
        status=400,
    ),
    HostileBody(
        name="translate: texts",
        path="/v1/translate",
        make=_json('{"source":"en","target":"de","texts":[', '""', 500_000),
        status=422,
        text='"field":"texts"',
    ),
    HostileBody(
        name="libretranslate: texts",
        path="/translate",
        make=_json("{" + _LIBRE + ',"q":[', '""', 600_000),
        status=400,
        text="LECTERN_MAX_TEXTS",
    ),
    HostileBody(
        name="libretranslate: form fields",
        path="/translate",
        make=lambda: b"&".join([b"a=b"] * 500_000),
        media_type=_FORM,
        status=400,
    ),
    HostileBody(
        name="libretranslate: parts",
        path="/translate",
        make=lambda: _parts(20_000, b'content-disposition: form-data; name="q"\r\n'),
        media_type=_MULTIPART,
        status=400,
    ),
    HostileBody(
        name="libretranslate: escapes",
        path="/translate",
        make=lambda: b"source=en&target=de&q=" + b"%41" * 690_000,
        media_type=_FORM,
        status=400,
        text="LECTERN_MAX_TOTAL_CHARACTERS",
    ),
    HostileBody(
        name="detect: query parameters", path="/detect?" + "&".join(["q=a"] * 5_000), make=lambda: b"", status=400
    ),
    HostileBody(
        name="detect: a text",
        path="/detect",
        make=_json('{"q":"', "the Hund ", 200_000, '"}'),
        status=400,
        text="LECTERN_MAX_TOTAL_CHARACTERS",
    ),
)
"""Every one is refused, by a limit that the answer names."""


def _pixels() -> bytes:
    rows = np.full((LIMITS.max_images, 28, 28), 0.12345678901234567).tolist()
    return orjson.dumps({"pixels": rows})


def _vectors() -> bytes:
    vectors = np.random.default_rng(0).normal(size=(LIMITS.max_numbers // 280, 280)).tolist()
    return orjson.dumps({"vectors": vectors, "k": 10})


def _tensor() -> bytes:
    shape = [LIMITS.max_batch_size, 1, 28, 28]
    data = np.full(shape, 0.12345678901234567).tolist()
    return orjson.dumps({"inputs": [{"name": "image", "shape": shape, "datatype": "FP32", "data": data}]})


_TEXTS, _TOKENS = LIMITS.max_texts, LIMITS.max_total_tokens // LIMITS.max_texts
_PARAGRAPHS = ["The water is cold. " * 600] * LIMITS.max_batch_size
_WORDS = ("king", "queen", "the", "house", "car", "dog", "water", "city")

LARGEST: tuple[HostileBody, ...] = (
    HostileBody(
        name="tag: tokens",
        path="/v1/tag",
        make=lambda: orjson.dumps({"model": "pos-en", "tokens": [["token"] * _TOKENS] * _TEXTS}),
        status=200,
    ),
    HostileBody(
        name="tag: texts",
        path="/v1/tag",
        make=lambda: orjson.dumps({"model": "pos-en", "texts": ["water, " * (_TOKENS // 2)] * _TEXTS}),
        status=200,
    ),
    HostileBody(
        name="tag: commas",
        path="/v1/tag",
        make=lambda: orjson.dumps({"model": "pos-en", "texts": ['[{:,\\" ' * (_TOKENS // 6)] * _TEXTS}),
        status=200,
    ),
    HostileBody(
        name="similarity",
        path="/v1/similarity",
        make=lambda: orjson.dumps({"pairs": [["king", "queen"]] * LIMITS.max_words}),
        status=200,
    ),
    HostileBody(
        name="neighbors: words",
        path="/v1/neighbors",
        make=lambda: orjson.dumps({"words": ["king"] * LIMITS.max_words}),
        status=200,
    ),
    HostileBody(
        name="neighbors: words and k",
        path="/v1/neighbors",
        make=lambda: orjson.dumps({"words": [*_WORDS] * (LIMITS.max_total_neighbors // 800), "k": 100}),
        status=200,
    ),
    HostileBody(
        name="neighbors: k",
        path="/v1/neighbors",
        make=lambda: orjson.dumps({"words": ["king"] * (LIMITS.max_total_neighbors // 1000), "k": 1000}),
        status=200,
    ),
    HostileBody(name="neighbors: vectors", path="/v1/neighbors", make=_vectors, status=200),
    HostileBody(
        name="projection",
        path="/v1/projection",
        make=lambda: orjson.dumps({"words": [_WORDS[index % 8] for index in range(LIMITS.max_words)]}),
        status=200,
    ),
    HostileBody(
        name="embeddings: inputs",
        path="/v1/embeddings",
        make=lambda: orjson.dumps({"input": ["the king of the house " * 58] * LIMITS.max_inputs}),
        status=200,
    ),
    HostileBody(
        name="embeddings: base64",
        path="/v1/embeddings",
        make=lambda: orjson.dumps({"input": ["the king"] * LIMITS.max_inputs, "encoding_format": "base64"}),
        status=200,
    ),
    HostileBody(
        name="embeddings: token ids",
        path="/v1/embeddings",
        make=lambda: orjson.dumps({"input": [list(range(1, 96))] * LIMITS.max_inputs}),
        status=400,
        text="check_embedding_ctx_length",
    ),
    HostileBody(name="classify: pixels", path="/v1/classify", make=_pixels, status=200),
    HostileBody(name="infer: pixels", path="/v2/models/digits/infer", make=_tensor, status=200),
    HostileBody(
        name="infer: texts",
        path="/v2/models/pos-en/infer",
        make=lambda: orjson.dumps(
            {"inputs": [{"name": "TEXT", "shape": [64, 1], "datatype": "BYTES", "data": _PARAGRAPHS}]}
        ),
        headers={"accept-encoding": "gzip"},
        status=200,
    ),
    HostileBody(
        name="detect", path="/detect", make=lambda: orjson.dumps({"q": ["the water " * 9] * (50_000 // 90)}), status=200
    ),
)
"""Every one is answered; only the work of the model may take its time."""
