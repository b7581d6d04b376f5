"""Data files that the user names by a path or an address."""

from pathlib import Path

from training.common.downloads import fetch_url
from training.common.errors import DatasetError
from training.common.unpacking import open_unpacked

_WEB = ("http://", "https://")


def read_file(location: str) -> bytes:
    """The content of a local file, or of a URL, which is downloaded once.

    Raises:
        DatasetError: it is missing, unreachable, or a web page instead of a file.
    """
    path = _local(location)
    try:
        return _no_web_page(path.read_bytes(), location)
    except FileNotFoundError as error:
        raise DatasetError(
            f"{location}: there is no such file; name a file, or an address that begins with https://"
        ) from error
    except OSError as error:
        raise DatasetError(f"{location}: cannot be read ({error.strerror}); name a file") from error


def read_unpacked(location: str) -> bytes:
    """As `read_file`, but unpacked where it is compressed or in a zip archive.

    Raises:
        DatasetError: also if it cannot be unpacked.
    """
    with open_unpacked(_local(location)) as (stream, _):
        return _no_web_page(stream.read(), location)


def _local(location: str) -> Path:
    return fetch_url(location) if is_address(location) else Path(location)


def _no_web_page(content: bytes, location: str) -> bytes:
    if is_address(location) and content.lstrip()[:9].lower().startswith((b"<!doctype", b"<html")):
        raise DatasetError(f"{location}: is a web page; name the address of the file itself (on GitHub: Raw)")
    return content


def is_address(location: str) -> bool:
    """Whether the location is a URL."""
    return location.startswith(_WEB)


def file_name(location: str) -> str:
    """The name of the file, without its folders or the rest of its address."""
    return location.split("?")[0].rstrip("/").rsplit("/", 1)[-1]
