"""Multipart bodies are split as RFC 7578 says, whatever lies beside the boundaries, in slices."""

from __future__ import annotations

import asyncio

import pytest

from service.api import multipart
from service.api.multipart import Part, TooManyFiles, split_multipart
from service.api.turns import Turns
from service.errors import MalformedBody

FIELD = b'content-disposition: form-data; name="a"\r\n\r\n'
FILE = b'Content-Disposition: form-data; name="f"; filename="f.png"\r\ncontent-type: image/png\r\n\r\n'


def _split(body: bytes, boundary: bytes = b"x", *, max_files: int = 2, max_fields: int = 2) -> list[Part]:
    return asyncio.run(split_multipart(body, boundary, Turns(), max_files=max_files, max_fields=max_fields))


@pytest.mark.parametrize(
    "content",
    [b"", b"\r\n", b"\r", b"\r\n--", b"\r\n--y", b"\r\n--xy\r\n", b"a--x\r\n", b"\r\n--x -", b"\r\n\r\n", b"\n--x--\n"],
)
def test_a_content_may_look_almost_like_a_boundary(content: bytes) -> None:
    body = b"--x\r\n" + FIELD + content + b"\r\n--x\r\n" + FILE + content + b"\r\n--x--\r\n"
    assert _split(body) == [Part("a", content), Part("f", content, "f.png")]


def test_boundaries_are_found_across_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    bodies = [
        (content, b"--x\r\n" + FILE + content + b"\r\n--x  \r\n" + FIELD + b"1\r\n--x--")
        for content in (b"\r" * number for number in range(40))
    ]
    for size in (1, 7, 16):
        monkeypatch.setattr(multipart, "_SLICE_BYTES", size)
        for content, body in bodies:
            assert _split(body) == [Part("f", content, "f.png"), Part("a", b"1")]


def test_what_stands_around_the_form_is_left_out() -> None:
    for before, after in (
        (b"\r\n", b""),
        (b"\r\n\r\n", b"\r\n"),
        (b"hello\r\n", b"bye"),
        (b"--xy\r\n", b"\r\n--x\r\n"),
    ):
        assert _split(before + b"--x\r\n" + FIELD + b"1\r\n--x--" + after) == [Part("a", b"1")]
    assert _split(b"--x--\r\n") == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "cut short"),
        (b"--x", "cut short"),
        (b"--x\r\n", "cut short"),
        (b"--x\r\n" + FIELD, "cut short"),
        (b"--x\r\n" + FIELD + b"1\r\n--x", "cut short"),
        (b"--x\r\n" + FIELD + b"1\r\n--x-", "cut short"),
        (b"--x\r\n\r\n1\r\n--x--", "no content-disposition with a name"),
        (b'--x\r\ncontent-disposition: form-data; filename="a"\r\n\r\n1\r\n--x--', "no content-disposition"),
        (b'--x\r\ncontent-disposition: form-data; name="\xff"\r\n\r\n1\r\n--x--', "name of a part is not UTF-8"),
        (b"--x\r\n" + b"a: b\r\n" * 5000 + FIELD + b"1\r\n--x--", "over 8192 bytes"),
        (b"--x\r\na: " + b"b" * 2000 + b"\r\n" + FIELD + b"1\r\n--x--", "over 1000 bytes"),
        ((b"--x\r\n" + FIELD + b"1\r\n") * 3 + b"--x--", "over 2 fields"),
    ],
)
def test_a_body_that_is_no_form_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(MalformedBody, match=message):
        _split(body)


def test_too_many_files_are_told_apart() -> None:
    files = (b"--x\r\n" + FILE + b"1\r\n") * 3 + b"--x--"
    with pytest.raises(TooManyFiles):
        _split(files)
    with pytest.raises(MalformedBody, match="holds a file"):
        _split(files, max_files=0)


def test_a_field_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(MalformedBody, match="'a' is not UTF-8"):
        _ = Part("a", b"\xff").text


@pytest.mark.parametrize(
    ("parameters", "filename"),
    [
        (b'filename="a.txt"', "a.txt"),
        (b'filename=""', ""),
        (b"filename=a.txt", "a.txt"),
        (b'filename="\xc3\xbc.txt"', "\u00fc.txt"),
        (b'filename="\xfc.txt"', "\ufffd.txt"),
        (b'filename="a\\"b.txt"', 'a"b.txt'),
        (b"filename*=utf-8''%C3%BC.txt", "\u00fc.txt"),
        (b"filename=\"=?utf-8?B?w7wudHh0?=\"; filename*=UTF-8'de'%C3%BC.txt", "\u00fc.txt"),
        (b'other="x"', None),
    ],
)
def test_the_name_of_a_file(parameters: bytes, filename: str | None) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="f"; ' + parameters + b"\r\n\r\n1\r\n--x--"
    assert _split(body) == [Part("f", b"1", filename)]
