"""What commands print of the log."""

from __future__ import annotations

import logging
import sys

from service.output import TextFormatter


def _record(message: str, **extra: object) -> logging.LogRecord:
    record = logging.LogRecord("service", logging.WARNING, __file__, 1, message, None, extra.pop("exc_info", None))  # type: ignore[arg-type]
    record.__dict__.update(extra)
    return record


def test_the_fields_of_a_record_are_printed_with_its_message() -> None:
    assert TextFormatter().format(_record("no room")) == "lectern: no room"
    record = _record("no room", fields={"folder": "/a", "left": 3})
    assert TextFormatter().format(record) == "lectern: no room (folder: /a; left: 3)"


def test_a_field_cannot_steer_the_terminal() -> None:
    record = _record("bad", fields={"model": "a\x1b[2J\nlectern: fine"})
    assert TextFormatter().format(record) == r"lectern: bad (model: a\x1b[2J\nlectern: fine)"


def test_an_exception_keeps_its_traceback() -> None:
    try:
        raise ValueError("wrong")
    except ValueError:
        text = TextFormatter().format(_record("failed", exc_info=sys.exc_info()))
    assert text.startswith("lectern: failed\nTraceback")
    assert text.endswith("ValueError: wrong")
