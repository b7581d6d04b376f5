"""Certificates of tests, signed by themselves."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def write_certificate(folder: Path, name: str = "server") -> tuple[Path, Path]:
    """Write a certificate for localhost and 127.0.0.1, and its key; skips the test where openssl is missing.

    Returns:
        The paths of both.
    """
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificates of this test")
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    names = ["-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*command, *names, "-out", certificate, "-keyout", key], check=True, capture_output=True, timeout=60)
    return certificate, key
