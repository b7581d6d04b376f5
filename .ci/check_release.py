"""Hold a tag against the package and the changelog, and print the release's notes.

    python .ci/check_release.py v1.2.3

The tag must be `v` and `service.__version__`, and the newest heading of CHANGELOG.md must name that version and a date.
An "Unreleased" heading may stand above it, if nothing stands below that.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path


def release_notes(tag: str, package: str, changelog: str) -> str:
    """The notes of the release that `tag` names.

    Args:
        tag: for example v1.2.3.
        package: the text of service/__init__.py.
        changelog: the text of CHANGELOG.md.

    Raises:
        ValueError: tag, package and changelog disagree; says in what.
    """
    version = re.search(r'^__version__ = "([^"]+)"$', package, re.MULTILINE)
    if version is None:
        raise ValueError("service/__init__.py has no __version__")
    if tag != f"v{version[1]}":
        raise ValueError(f"the tag is {tag}, the package's version is {version[1]}: the tag must be v{version[1]}")
    # Of text, heading, text, heading, text …
    _, *parts = re.split(r"^## (.+)\n", changelog, flags=re.MULTILINE)
    sections = dict(zip(parts[::2], (text.strip() for text in parts[1::2]), strict=True))
    if sections.pop("[Unreleased]", ""):
        raise ValueError(f"CHANGELOG.md: move what is under [Unreleased] below a heading [{version[1]}]")
    heading = next(iter(sections), "")
    if not re.fullmatch(rf"\[{re.escape(version[1])}\] - \d{{4}}-\d\d-\d\d", heading):
        raise ValueError(f"CHANGELOG.md: the newest heading is {heading!r}, it must be '[{version[1]}] - YYYY-MM-DD'")
    return sections[heading]


def main(tag: str) -> int:
    """Check the repository; returns the exit code."""
    root = Path(__file__).parents[1]
    try:
        print(release_notes(tag, (root / "service/__init__.py").read_text(), (root / "CHANGELOG.md").read_text()))
    except ValueError as error:
        print(f"check_release: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
