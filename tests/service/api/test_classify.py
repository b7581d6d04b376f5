"""POST /v1/classify: the four forms of body, and every kind of invalid request."""

from __future__ import annotations

import base64
import codecs
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from httpx import Response
from PIL import Image
from starlette.testclient import TestClient

from service.api.image_classification import ClassifyAnswer
from service.app import create_app
from service.bundle.files import write_bundle
from service.bundle.manifest import Task
from service.settings import Settings
from service.tasks.image_classification.preprocessing import formats
from tests.support.classifier_bundles import classifier_manifest, template, write_classifier
from tests.support.classify_requests import labels, picture, pixels
from tests.support.http import JSON, client_of, problem_of


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """digits/1, once for all tests of this file."""
    path = tmp_path_factory.mktemp("models")
    write_classifier(path)
    return path


@pytest.fixture(scope="module")
def client(repository: Path) -> Iterator[TestClient]:
    """A client of one application for all tests of this file; none of them changes it."""
    settings = Settings(models=repository, max_images=4, max_body_bytes=200_000, max_pixels=40_000)
    with client_of(settings) as client:
        yield client


# What is right


def test_pixels(client: TestClient) -> None:
    response = client.post("/v1/classify", json=pixels(7, 0, 3) | {"top_k": 2})
    assert labels(response) == ["7", "0", "3"]
    answer = response.json()
    assert ClassifyAnswer.model_validate(answer)
    assert (answer["model"], answer["version"]) == ("digits", "1")
    for result in answer["results"]:
        scores = [prediction["score"] for prediction in result["predictions"]]
        assert len(scores) == 2
        assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP", "GIF", "TIFF", "JPEG"])
def test_an_image_as_the_body(client: TestClient, kind: str) -> None:
    content = picture(7, kind, size=112 if kind == "JPEG" else 28)
    headers = {"content-type": f"image/{kind.lower()}"}
    assert labels(client.post("/v1/classify", content=content, headers=headers)) == ["7"]


def test_a_large_image_is_decoded_in_a_thread(client: TestClient) -> None:
    noise = np.random.default_rng(0).integers(0, 20, (196, 196), dtype=np.uint8)
    image = np.maximum(noise, np.kron(template(4) * 255, np.ones((7, 7))).astype(np.uint8))
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    assert len(stream.getvalue()) > 8192
    assert labels(client.post("/v1/classify", content=stream.getvalue(), headers={"content-type": "image/png"})) == [
        "4"
    ]


def test_base64_with_and_without_a_data_url(client: TestClient) -> None:
    images = [b64(picture(2)), "data:image/png;base64," + b64(picture(5))]
    assert labels(client.post("/v1/classify", json={"images": images})) == ["2", "5"]


@pytest.mark.parametrize("count", [1, 3])
def test_a_form_with_parts(client: TestClient, count: int) -> None:
    files = [("image", (f"{digit}.png", picture(digit), "image/png")) for digit in range(count)]
    response = client.post("/v1/classify", files=files, data={"top_k": "1", "model": "digits", "version": "1"})
    assert labels(response) == [str(digit) for digit in range(count)]
    assert len(response.json()["results"][0]["predictions"]) == 1


def test_all_forms_agree(client: TestClient) -> None:
    content = picture(6)
    answers = [
        client.post("/v1/classify", json=pixels(6)),
        client.post("/v1/classify", content=content, headers={"content-type": "image/png"}),
        client.post("/v1/classify", json={"images": [b64(content)]}),
        client.post("/v1/classify", files={"image": ("6.png", content)}),
    ]
    assert all(answer.json() == answers[0].json() for answer in answers)


@pytest.mark.parametrize(("query", "body"), [("?top_k=3", {}), ("", {"top_k": 3}), ("?top_k=3", {"top_k": 3})])
def test_top_k_in_the_query_and_in_the_body(client: TestClient, query: str, body: dict[str, Any]) -> None:
    response = client.post(f"/v1/classify{query}", json=pixels(1) | body)
    assert len(response.json()["results"][0]["predictions"]) == 3


def test_top_k_is_three_by_default(client: TestClient) -> None:
    assert len(client.post("/v1/classify", json=pixels(1)).json()["results"][0]["predictions"]) == 3


@pytest.mark.parametrize("top_k", [10, 11, 10**9, 10**30])
def test_top_k_is_clamped_to_the_labels(client: TestClient, top_k: int) -> None:
    response = client.post(f"/v1/classify?top_k={top_k}", json=pixels(1))
    assert len(response.json()["results"][0]["predictions"]) == 10


@pytest.mark.parametrize("version", [1, "1"])
def test_the_version_may_be_a_number_or_a_text(client: TestClient, version: object) -> None:
    response = client.post("/v1/classify?version=1&model=digits", json=pixels(1) | {"version": version})
    assert labels(response) == ["1"]


@pytest.mark.parametrize("value", [0, 1, 0.0, 1.0, 1e-30])
def test_pixels_may_be_integers_and_the_bounds_are_inclusive(client: TestClient, value: float) -> None:
    body = {"pixels": [[[value] * 28] * 28]}
    assert client.post("/v1/classify", json=body).status_code == 200


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("GZIP", gzip.compress),
        ("x-gzip", gzip.compress),
        ("X-Gzip", gzip.compress),
        ("deflate", lambda content: zlib.compress(content, wbits=-15)),
        ("Deflate", lambda content: zlib.compress(content, 0, wbits=-9)),
        ("identity", bytes),
        ("", bytes),
    ],
)
def test_a_compressed_body(client: TestClient, encoding: str, compress: Any) -> None:
    content = compress(orjson.dumps(pixels(8)))
    headers = JSON | {"content-encoding": encoding}
    assert labels(client.post("/v1/classify", content=content, headers=headers)) == ["8"]


def test_the_media_type_may_have_parameters_and_upper_case(client: TestClient) -> None:
    headers = {"content-type": "Application/JSON; charset=utf-8"}
    assert labels(client.post("/v1/classify", content=orjson.dumps(pixels(8)), headers=headers)) == ["8"]


def test_the_headers_name_the_model(client: TestClient) -> None:
    headers = client.post("/v1/classify", json=pixels(1)).headers
    assert headers["x-lectern-model"] == "digits"
    assert headers["x-lectern-version"] == "1"
    assert headers["x-lectern-provider"] == "CPUExecutionProvider"
    stages = [stage.partition(";dur=") for stage in headers["server-timing"].split(", ")]
    assert [name for name, _, _ in stages] == ["preprocess", "queue", "infer", "postprocess"]
    assert all(0 <= float(milliseconds) < 60_000 for _, _, milliseconds in stages)


# What is wrong


@pytest.mark.parametrize(
    ("change", "field", "text"),
    [
        ({"colour": "red"}, "colour", "colour: is not a field of this request"),
        ({"top_k": 0}, "top_k", "top_k: Input should be greater than or equal to 1"),
        ({"top_k": "three"}, "top_k", "top_k: Input should be a valid integer"),
        ({"top_k": "3"}, "top_k", "top_k: Input should be a valid integer"),
        ({"top_k": 2.5}, "top_k", "top_k: Input should be a valid integer"),
        ({"top_k": True}, "top_k", "top_k: Input should be a valid integer"),
        ({"model": 7}, "model", "model: Input should be a valid string"),
        ({"version": []}, "version", "version: Input should be a valid string"),
        ({"images": "text", "pixels": None}, "images", "images: Input should be a valid list"),
        ({"images": [7], "pixels": None}, "images[0]", "images[0]: Input should be a valid string"),
        ({"images": []}, None, "send either 'images' (base64) or 'pixels' (numbers), and not both"),
        ({"pixels": None}, None, "send either 'images' (base64) or 'pixels' (numbers), and not both"),
    ],
)
def test_wrong_fields_are_named(client: TestClient, change: dict[str, Any], field: str | None, text: str) -> None:
    problem = problem_of(client.post("/v1/classify", json=pixels(1) | change), 422, text)
    assert problem.get("field") == field


def _image(**changes: Any) -> list[Any]:
    """One image of zeros, with some rows replaced: `row3=[…]`."""
    rows: list[Any] = [[0.0] * 28 for _ in range(28)]
    for name, row in changes.items():
        rows[int(name.removeprefix("row"))] = row
    return rows


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (7, "pixels"),
        ("text", "pixels"),
        ({}, "pixels"),
        ([], "pixels"),
        ([7], "pixels"),
        ([[]], "pixels[0]"),
        ([_image()[:27]], "pixels[0]"),
        ([_image(), [*_image(), [0.0] * 28]], "pixels[1]"),
        ([_image(row3=[0.0] * 27)], "pixels[0][3]"),
        ([_image(), _image(row27=[0.0] * 29)], "pixels[1][27]"),
        ([_image(row3="0" * 28)], "pixels[0][3]"),
        ([_image(row3=0.5)], "pixels[0][3]"),
        ([_image(row3=[[0.0]] * 28)], "pixels[0][3]"),
        ([_image(row5=[0.5] * 27 + ["1"])], "pixels[0][5]"),
        ([_image(row5=[0.5] * 27 + [True])], "pixels[0][5]"),
        ([_image(row5=[False] * 28)], "pixels[0][5]"),
        ([_image(row5=[0.5] * 27 + [None])], "pixels[0][5]"),
        ([_image(row5=[0.5] * 27 + [1.5])], "pixels[0]"),
        ([_image(), _image(row5=[-0.001] + [0.5] * 27)], "pixels[1]"),
        ([_image(row5=[255] * 28)], "pixels[0]"),
        ([_image(row5=[10**40] * 28)], "pixels[0]"),
    ],
)
def test_wrong_pixels_are_named(client: TestClient, value: Any, field: str) -> None:
    problem = problem_of(client.post("/v1/classify", json={"pixels": value}), 422, field)
    assert problem["field"].startswith(field)


def test_pixels_out_of_range_are_refused_with_the_range(client: TestClient) -> None:
    problem_of(client.post("/v1/classify", json={"pixels": [_image(row0=[128] * 28)]}), 422, "divide bytes by 255")


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "nan", "0x1", "00", "1."])
def test_nan_and_infinity_are_a_malformed_body(client: TestClient, text: str) -> None:
    content = '{"pixels": [[[' + text + "]]]}"
    problem_of(client.post("/v1/classify", content=content, headers=JSON), 400, "the body is not valid JSON")


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"pixels": ', b"\xff\xfe", b"[" * 10_000, b'{"pixels": []} x', b"{'pixels': []}"]
)
def test_broken_json_is_a_malformed_body(client: TestClient, content: bytes) -> None:
    problem_of(client.post("/v1/classify", content=content, headers=JSON), 400, "the body is not valid JSON")


@pytest.mark.parametrize("content", [b"[]", b"7", b'"text"', b"null", b"true"])
def test_json_that_is_not_an_object_is_refused(client: TestClient, content: bytes) -> None:
    problem_of(client.post("/v1/classify", content=content, headers=JSON), 422, "the body must be a JSON object")


@pytest.mark.parametrize("text", ["%%%", "abc", "not,base64!", "é", "data:image/png;base64,%89PNG"])
def test_bad_base64_is_named(client: TestClient, text: str) -> None:
    body = {"images": [b64(picture(1)), text]}
    problem = problem_of(client.post("/v1/classify", json=body), 422, "images[1]: is not base64")
    assert problem["field"] == "images[1]"


def test_base64_that_is_not_an_image_is_refused(client: TestClient) -> None:
    problem_of(client.post("/v1/classify", json={"images": [""]}), 422, "images[0]: ")
    problem_of(client.post("/v1/classify", json={"images": [b64(b"hello")]}), 422, "images[0]: ")


BOMB = io.BytesIO()
Image.new("1", (4000, 4000), 1).save(BOMB, "PNG")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "no bytes"),
        (b"hello", "not an image"),
        (picture(1)[:60], "truncated or damaged"),
        (BOMB.getvalue(), "over the limit of 40,000"),
    ],
)
def test_a_body_that_is_not_an_image_is_refused(client: TestClient, content: bytes, text: str) -> None:
    problem_of(client.post("/v1/classify", content=content, headers={"content-type": "image/png"}), 422, text)
    problem = problem_of(
        client.post("/v1/classify", files=[("image", ("a.png", picture(1))), ("image", ("b.png", content))]), 422, text
    )
    assert problem["field"] == "image[1]"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"P5 2 2 255 abcd", "Netpbm"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "the image is HEIC, which is read only where the extra `heif`"),
    ],
)
def test_a_format_that_is_not_read_is_named_with_status_415(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, content: bytes, text: str
) -> None:
    monkeypatch.setattr(formats, "_HEIC", None)
    problem_of(client.post("/v1/classify", content=content, headers={"content-type": "image/png"}), 415, text)
    problem_of(
        client.post("/v1/classify", files=[("image", ("a.png", picture(1))), ("image", ("b.png", content))]),
        415,
        f"image[1]: {text}" if "HEIC" in text else text,
    )
    body = {"images": [b64(picture(1)), b64(content)]}
    assert "send a PNG" in problem_of(client.post("/v1/classify", json=body), 415, "images[1]: ")["detail"]
    tensor = {"name": "IMAGE", "shape": [1], "datatype": "BYTES", "data": [b64(content)]}
    answer = client.post("/v2/models/digits/infer", json={"inputs": [tensor]})
    assert (answer.status_code, text in answer.json()["error"]) == (415, True)


def test_a_blank_image_is_refused(tmp_path: Path) -> None:
    good = write_classifier(tmp_path / "source")
    manifest = classifier_manifest().model_copy(update={"preprocessing": {"normaliser": "mnist"}})
    write_bundle(tmp_path / "models", manifest, {name: good.file(name).read_bytes() for name in good.manifest.files})
    stream = io.BytesIO()
    Image.new("L", (64, 64), 255).save(stream, "PNG")
    with TestClient(create_app(Settings(models=tmp_path / "models"))) as client:
        response = client.post("/v1/classify", content=stream.getvalue(), headers={"content-type": "image/png"})
        problem_of(response, 422, "blank")


def test_too_many_images_name_the_limit(client: TestClient) -> None:
    setting = "LECTERN_MAX_IMAGES"
    for count in (5, 6, 20):
        form = [("image", (f"{index}.png", picture(1))) for index in range(count)]
        assert "4" in problem_of(client.post("/v1/classify", json=pixels(*[1] * count)), 422, setting)["detail"]
        assert "4" in problem_of(client.post("/v1/classify", json={"images": [""] * count}), 422, setting)["detail"]
        assert "4" in problem_of(client.post("/v1/classify", files=form), 422, setting)["detail"]


@pytest.mark.parametrize("request_", [{"json": {"images": []}}, {"json": {"pixels": []}}, {"data": {"top_k": "1"}}])
def test_a_request_without_an_image_is_refused(client: TestClient, request_: dict[str, Any]) -> None:
    if "data" in request_:  # A form, but without a file httpx would send no multipart.
        body = b'--x\r\ncontent-disposition: form-data; name="top_k"\r\n\r\n1\r\n--x--\r\n'
        request_ = {"content": body, "headers": {"content-type": "multipart/form-data; boundary=x"}}
    problem_of(client.post("/v1/classify", **request_), 422, "holds no image; send at least one")


@pytest.mark.parametrize(
    ("query", "body", "text"),
    [
        ("?colour=red", {}, "colour: is not a query parameter of this route; there are model, version, top_k"),
        ("?top_k=many", {}, "top_k: Input should be a valid integer"),
        ("?top_k=0", {}, "top_k: Input should be greater than or equal to 1"),
        ("?top_k=2", {"top_k": 3}, "top_k: the query says '2', the body says '3'"),
        ("?model=digits", {"model": "letters"}, "model: the query says 'digits', the body says 'letters'"),
        ("?version=1", {"version": 2}, "version: the query says '1', the body says '2'"),
    ],
)
def test_the_query_is_checked_against_the_body(client: TestClient, query: str, body: dict[str, Any], text: str) -> None:
    problem_of(client.post(f"/v1/classify{query}", json=pixels(1) | body), 422, text)


def test_an_option_that_is_sent_twice_is_refused(client: TestClient) -> None:
    message = "top_k: is sent several times; send it once"
    problem_of(client.post("/v1/classify?top_k=1&top_k=2", json=pixels(1)), 422, message)
    form = client.post("/v1/classify", files={"image": ("1.png", picture(1))}, data={"top_k": ["1", "2"]})
    problem_of(form, 422, message)
    assert labels(client.post("/v1/classify?top_k=1&top_k=1", json=pixels(1))) == ["1"]


def test_the_query_is_checked_against_the_form(client: TestClient) -> None:
    files = {"image": ("1.png", picture(1))}
    problem_of(client.post("/v1/classify?top_k=2", files=files, data={"top_k": "3"}), 422, "top_k: the query says '2'")


@pytest.mark.parametrize(
    ("query", "body", "text"),
    [
        ("?model=letters", {}, "no model 'letters'; there are: digits"),
        ("", {"model": "letters"}, "no model 'letters'; there are: digits"),
        ("?version=9", {}, "no version 9 of model 'digits'; there are: 1"),
        ("", {"version": 9}, "no version 9 of model 'digits'; there are: 1"),
        ("?version=-2", {}, "no version -2 of model 'digits'"),
    ],
)
def test_an_unknown_model_or_version(client: TestClient, query: str, body: dict[str, Any], text: str) -> None:
    assert problem_of(client.post(f"/v1/classify{query}", json=pixels(1) | body), 404, text)["title"] == "Not Found"


WRONG_TYPES = [
    "application/octet-stream",
    "application/x-www-form-urlencoded",
    "text/plain; charset=utf-8",
    "Text/HTML",
    "application/json",
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    "image/x-unknown",
    "IMAGE/JPEG;q=1",
    "image/png",
    "nonsense",
    "",
]


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP", "GIF", "TIFF", "JPEG"])
@pytest.mark.parametrize("content_type", WRONG_TYPES)
def test_a_picture_is_known_by_its_bytes(client: TestClient, content_type: str, kind: str) -> None:
    headers = {"content-type": content_type} if content_type else {}
    content = picture(7, kind, size=112 if kind == "JPEG" else 28)
    assert labels(client.post("/v1/classify?top_k=1", content=content, headers=headers)) == ["7"]
    form = _part(f'name="image"; filename="x.txt"\r\ncontent-type: {content_type or "text/plain"}', content)
    assert labels(_form(client, form + b"--x--\r\n")) == ["7"]


def test_a_part_without_a_file_name_may_be_a_picture(client: TestClient) -> None:
    form = _part('name="image"', picture(7))
    assert labels(_form(client, form * 4 + b"--x--\r\n")) == ["7"] * 4
    problem_of(_form(client, form * 5 + b"--x--\r\n"), 422, "LECTERN_MAX_IMAGES")


@pytest.mark.parametrize("content", [b"", b"BM", b"BMW is no picture, but a car.", b"image=7", b"\x89"])
@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_what_is_no_picture_is_refused_with_what_can_be_sent(
    client: TestClient, content_type: str, content: bytes
) -> None:
    headers = {"content-type": content_type} if content_type else {}
    problem_of(client.post("/v1/classify", content=content, headers=headers), 415, "image/png, image/jpeg, image/webp")


def test_a_file_that_curl_took_the_line_breaks_out_of_is_refused_with_the_remedy(client: TestClient) -> None:
    content = picture(7).translate(None, b"\r\n\0")
    headers = {"content-type": "application/x-www-form-urlencoded"}
    problem_of(client.post("/v1/classify", content=content, headers=headers), 415, "curl, send a file as --data-binary")


def test_a_damaged_picture_of_any_type_is_called_so(client: TestClient) -> None:
    response = client.post("/v1/classify", content=picture(1)[:60], headers={"content-type": "text/plain"})
    problem_of(response, 422, "the PNG file is truncated or damaged")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/octet-stream"])
def test_another_media_type_is_refused_with_the_accepted_ones(client: TestClient, kind: str) -> None:
    response = client.post("/v1/classify", content=b"x", headers={"content-type": kind})
    problem_of(response, 415, f"content-type {kind!r} is not supported; send image/png, image/jpeg")


def test_a_request_without_a_media_type_is_refused(client: TestClient) -> None:
    problem_of(client.post("/v1/classify", content=b"x"), 415, "name a content-type: image/png")


@pytest.mark.parametrize(
    "encoding", ["br", "zstd", "compress", "x-deflate", "gzip, gzip", "deflate, gzip", "identity, x-gzip", "gzip;q=1"]
)
def test_another_content_encoding_is_refused_with_what_is_read(client: TestClient, encoding: str) -> None:
    response = client.post("/v1/classify", content=b"x", headers=JSON | {"content-encoding": encoding})
    problem_of(response, 415, f"content-encoding '{encoding.replace(', ', ', ')}' is not supported; send gzip, deflate")
    assert response.headers["accept-encoding"] == "gzip, deflate"
    assert "accept-encoding" not in client.post("/v1/classify", content=b"x").headers


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"not gzip", "the body is not valid gzip"),
        (gzip.compress(b"{}")[:-5], "the gzip body is cut short"),
        (b"", "the gzip body is cut short"),
        (gzip.compress(b"{}") + b"more", "the gzip body has data after its end"),
    ],
)
def test_invalid_compression_is_refused(client: TestClient, content: bytes, text: str) -> None:
    problem_of(client.post("/v1/classify", content=content, headers=JSON | {"content-encoding": "gzip"}), 400, text)


LIMIT = "the body is larger than 200000 bytes (LECTERN_MAX_BODY_BYTES)"


def test_a_body_over_the_limit_is_refused_in_every_encoding(client: TestClient) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(30):
            yield b"x" * 10_000

    problem_of(client.post("/v1/classify", content=b"x" * 200_001, headers=JSON), 413, LIMIT)
    problem_of(client.post("/v1/classify", content=chunks(), headers=JSON), 413, LIMIT)
    bomb = gzip.compress(b" " * 50_000_000)
    assert len(bomb) < 200_000
    problem_of(client.post("/v1/classify", content=bomb, headers=JSON | {"content-encoding": "gzip"}), 413, LIMIT)


def test_a_body_of_exactly_the_limit_is_read(client: TestClient) -> None:
    content = orjson.dumps(pixels(1)).ljust(200_000)
    assert labels(client.post("/v1/classify", content=content, headers=JSON)) == ["1"]
    headers = JSON | {"content-encoding": "gzip"}
    assert labels(client.post("/v1/classify", content=gzip.compress(content), headers=headers)) == ["1"]


def _form(client: TestClient, body: bytes, boundary: str = "; boundary=x") -> Response:
    return client.post("/v1/classify", content=body, headers={"content-type": f"multipart/form-data{boundary}"})


def _part(disposition: str, content: bytes) -> bytes:
    return b"--x\r\ncontent-disposition: form-data; " + disposition.encode() + b"\r\n\r\n" + content + b"\r\n"


def test_a_form_without_a_boundary_is_refused(client: TestClient) -> None:
    problem_of(_form(client, b"x", ""), 400, "the multipart body cannot be read: Missing boundary")


@pytest.mark.parametrize("body", [b"", b"hello", b"--y\r\n\r\n--y--\r\n"])
def test_a_form_that_is_not_multipart_is_refused(client: TestClient, body: bytes) -> None:
    problem_of(_form(client, body), 400, "the multipart body ")


def test_a_truncated_form_is_refused(client: TestClient) -> None:
    body = b"".join(_part(f'name="image"; filename="{digit}.png"', picture(digit)) for digit in (1, 2)) + b"--x--\r\n"
    assert labels(_form(client, body)) == ["1", "2"]
    for size in (len(body) - 8, len(body) - 40, len(body) // 2 + 10):
        problem_of(_form(client, body[:size]), 400, "the multipart body is cut short")


def test_a_part_without_a_name_is_refused(client: TestClient) -> None:
    problem_of(
        _form(client, _part('filename="1.png"', picture(1)) + b"--x--\r\n"), 400, "multipart body cannot be read"
    )


def test_an_unknown_part_is_named(client: TestClient) -> None:
    files = {"image": ("1.png", picture(1))}
    known = {"model": "digits", "version": "1", "top_k": "1"}
    response = client.post("/v1/classify", files=files, data=known | {"colour": "red"})
    assert (
        problem_of(response, 422, "colour: is not a part of this request; send 'image' and model")["field"] == "colour"
    )
    problem_of(client.post("/v1/classify", files={"picture": ("1.png", picture(1))}), 422, "picture: is not a part")
    problem_of(client.post("/v1/classify", files=files | {"top_k": ("k.txt", b"1")}), 422, "top_k: is not a part")


def test_a_part_with_a_wrong_value_is_named(client: TestClient) -> None:
    files = {"image": ("1.png", picture(1))}
    problem_of(client.post("/v1/classify", files=files, data={"top_k": "many"}), 422, "top_k: Input should be a valid")


def test_an_image_sent_as_text_is_refused_with_the_remedy(client: TestClient) -> None:
    problem_of(
        _form(client, _part('name="image"', b"digit.png") + b"--x--\r\n"), 422, "image: is text; send it as a file"
    )


def test_a_model_of_another_task_is_named_with_its_task(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = client.app.context.registry  # type: ignore[attr-defined]
    served = registry.find(name="digits")
    monkeypatch.setattr(registry, "_lookups", {})  # Manifests never change, so nothing else forgets them here.
    translator = served.manifest.model_copy(update={"task": Task.TRANSLATION})
    monkeypatch.setattr(served, "manifest", translator)
    response = client.post("/v1/classify?model=digits", json=pixels(1))
    problem_of(response, 422, "model: model 'digits' is of the task 'translation', not 'image-classification'")
    problem_of(
        client.post("/v1/classify", json=pixels(1)), 404, "no model for the task 'image-classification' is served"
    )


def test_what_a_web_page_sends_of_fields_that_nobody_filled_in(client: TestClient) -> None:
    parts = [("image", ("seven.png", picture(7))), ("image", ("", b"")), ("top_k", (None, "")), ("model", (None, ""))]
    answer = client.post("/v1/classify?split=&top_k=", files=parts)
    assert labels(answer) == ["7"]
    assert len(answer.json()["results"][0]["predictions"]) == 3


def test_base64_may_be_broken_into_lines(client: TestClient) -> None:
    text = base64.encodebytes(picture(7)).decode().replace("\n", "\r\n")
    assert text.count("\r\n") > 1
    assert labels(client.post("/v1/classify", json={"images": [text]})) == ["7"]


def test_json_may_have_a_byte_order_mark(client: TestClient) -> None:
    content = codecs.BOM_UTF8 + orjson.dumps(pixels(7))
    assert labels(client.post("/v1/classify", content=content, headers={"content-type": "application/json"})) == ["7"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "latin-1"])
def test_json_in_another_encoding_is_named(client: TestClient, encoding: str) -> None:
    content = json.dumps({"model": "größe"}, ensure_ascii=False).encode(encoding)
    answer = client.post("/v1/classify", content=content, headers={"content-type": "application/json"})
    problem_of(answer, 400, "the body is not valid JSON: it is not UTF-8; send it in UTF-8")


@pytest.mark.parametrize("headers", [{}, {"content-type": "application/octet-stream"}, {"content-type": "text/plain"}])
def test_a_format_that_is_not_read_is_named_whatever_the_type(client: TestClient, headers: dict[str, str]) -> None:
    answer = client.post("/v1/classify", content=b"%PDF-1.7\n", headers=headers)
    problem_of(answer, 415, "the file is a PDF, not an image")


def test_an_empty_body_is_called_so(client: TestClient) -> None:
    problem_of(client.post("/v1/classify"), 415, "the body is empty; send image/png")
