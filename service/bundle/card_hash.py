"""Records an edited model card in the manifest of its bundle.

    python -m service.bundle.card_hash models/pos-en/4

A model card says what was measured and what the model is not for, and may become truer after the export. The version
stays, because the model answers as before: every other file must be as the manifest says.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

import orjson

from service.bundle.files import MANIFEST, MODEL_CARD, Bundle, BundleError, read_bundle, read_manifest_of


def record_card(path: Path) -> Bundle:
    """Write the sha256 of the bundle's `MODEL_CARD.md` into its manifest.

    Args:
        path: the folder of the version, with the edited model card in it.

    Returns:
        The bundle, verified.

    Raises:
        BundleError: the manifest is unusable, or another file was altered; the manifest stays as it was.
    """
    manifest = read_manifest_of(path).manifest
    before = (path / MANIFEST).read_bytes()
    try:
        digest = hashlib.sha256((path / MODEL_CARD).read_bytes()).hexdigest()
    except OSError as error:
        raise BundleError(f"{path / MODEL_CARD}: cannot be read ({error.strerror}); write the model card") from error
    changed = manifest.model_copy(update={"files": manifest.files | {MODEL_CARD: digest}})
    _replace(path / MANIFEST, orjson.dumps(changed.model_dump(mode="json"), option=orjson.OPT_INDENT_2))
    try:
        return read_bundle(path)
    except BundleError:
        _replace(path / MANIFEST, before)
        raise


def _replace(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Record the model cards of the named versions; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("versions", nargs="+", type=Path, metavar="VERSION", help="as models/pos-en/4")
    try:
        for path in parser.parse_args(argv).versions:
            record_card(path)
            print(f"{path}: {MODEL_CARD} recorded")
    except BundleError as error:
        print(f"card_hash: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
