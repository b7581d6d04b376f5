"""Answers with a kept file, piece by piece, as something to save and never to show."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import quote

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.storage.translated_files import StoredFile

_PIECE_BYTES = 256 * 1024
_UNSAFE = re.compile(r"[^A-Za-z0-9 !#$&+.^_`|~()-]")


class DownloadResponse(Response):
    """The content of a file, with its length and its name.

    Args:
        file: the file; its content is closed when it was sent.
    """

    def __init__(self, file: StoredFile) -> None:
        super().__init__(media_type="application/octet-stream")
        self._file = file
        self.headers.update(
            {
                "content-length": str(file.size),
                "content-disposition": content_disposition(file.name),
                "cache-control": "private, no-store",
                # Should anything show it nevertheless: no scripts, no origin of this server.
                "content-security-policy": "default-src 'none'; sandbox",
            }
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._file.content as content:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if scope["method"] != "HEAD":
                while piece := await asyncio.to_thread(content.read, _PIECE_BYTES):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})


def content_disposition(name: str) -> str:
    """The header for a file to save (RFC 6266): its name, and one in ASCII for old clients."""
    plain = _UNSAFE.sub("_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
