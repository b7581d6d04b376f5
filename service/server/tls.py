"""The certificate that connections are encrypted with."""

from __future__ import annotations

import logging
import ssl
import stat
from pathlib import Path

from service.errors import ConfigurationError
from service.settings import Settings

log = logging.getLogger(__name__)


class Certificate:
    """A certificate with its key, read again when one of the files changes.

    Args:
        certificate: a PEM file with the certificate and those of the authorities between it and a known one.
        key: a PEM file with the key, which has no password.

    Raises:
        ConfigurationError: a file cannot be read, or they do not fit each other.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate = certificate
        self._key = key
        self._state = self._files_state()
        self._context, self._key_pair = self._read()

    def key_pair(self) -> tuple[bytes, bytes]:
        """The key and the chain of the certificate, as they are in their files."""
        return self._key_pair

    def context(self) -> ssl.SSLContext:
        """The context for a new connection."""
        return self._context

    def refresh(self) -> None:
        """Read the files if they have changed; what cannot be used is logged, and the old ones stay."""
        state = self._files_state()
        if state == self._state:
            return
        self._state = state
        try:
            self._context, self._key_pair = self._read()
        except ConfigurationError as error:
            log.error("the changed certificate cannot be used", extra={"fields": {"reason": str(error)}})
        else:
            log.info("certificate read", extra={"fields": {"file": str(self._certificate)}})

    def _files_state(self) -> list[tuple[int, ...] | None]:
        """What changes with every change of the files, that of who may read them included."""
        states: list[tuple[int, ...] | None] = []
        for path in (self._certificate, self._key):
            try:
                status = path.stat()
            except OSError:
                states.append(None)
            else:
                states.append((status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino))
        return states

    def _read(self) -> tuple[ssl.SSLContext, tuple[bytes, bytes]]:
        """The context, and the contents of the files with key and certificate."""
        contents: list[bytes] = []
        for name, path in (("LECTERN_TLS_CERT", self._certificate), ("LECTERN_TLS_KEY", self._key)):
            try:
                if not stat.S_ISREG(path.stat().st_mode):  # Reading a pipe or a device might never end.
                    raise ConfigurationError(f"{name}={path}: is no plain file")
                contents.append(path.read_bytes())
            except OSError as error:
                raise ConfigurationError(f"{name}: {path} cannot be read ({error.strerror})") from error
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        try:
            # Without a password given, OpenSSL would ask for it on the terminal.
            context.load_cert_chain(self._certificate, self._key, password=lambda: b"")
        except (OSError, ValueError) as error:  # An SSLError is an OSError.
            raise ConfigurationError(
                f"LECTERN_TLS_CERT={self._certificate} and LECTERN_TLS_KEY={self._key} are not a PEM certificate and "
                f"its key without a password ({error})"
            ) from error
        certificate, key = contents
        return context, (key, certificate)


def certificate_of(settings: Settings) -> Certificate | None:
    """The certificate that the settings name, if any.

    Raises:
        ConfigurationError: only one of certificate and key is set, or they cannot be used.
    """
    if settings.tls_cert is None and settings.tls_key is None:
        return None
    if settings.tls_cert is None or settings.tls_key is None:
        raise ConfigurationError("LECTERN_TLS_CERT and LECTERN_TLS_KEY: set both or none")
    return Certificate(settings.tls_cert, settings.tls_key)
