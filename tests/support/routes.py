"""Every route of the application, and a request for each: new routes are there by themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest

from service.api.docs_pages import PAGES
from service.api.operation import Operation
from service.app import OPERATIONS
from tests.support.classifier_bundles import write_classifier
from tests.support.tagger_bundles import write_tagger
from tests.support.translator_bundles import write_translator
from tests.support.word_vector_bundles import write_words

ROUTES = (*OPERATIONS, *PAGES)
OF_GET = tuple(operation for operation in ROUTES if operation.method == "GET")
OF_POST = tuple(operation for operation in ROUTES if operation.method == "POST")


def for_each(operations: Sequence[Operation]) -> pytest.MarkDecorator:
    """Run a test with each of the operations."""
    names = [f"{operation.method} {operation.path}" for operation in operations]
    return pytest.mark.parametrize("operation", operations, ids=names)


def path_of(operation: Operation) -> str:
    """The path of an operation, of the model digits where that changes nothing."""
    values = {"model": "nosuch" if operation.changes_state else "digits", "version": "1"}
    return re.sub(r"\{(\w+)(:\w+)?\}", lambda match: values.get(match[1], "x"), operation.path)


def body_of(operation: Operation) -> bytes:
    """A JSON body for an operation, which may refuse it: its example, or an empty object."""
    return orjson.dumps(operation.example or {})


def write_models(folder: Path) -> None:
    """Write a tiny bundle of every task."""
    write_classifier(folder)
    write_words(folder)
    write_tagger(folder)
    write_translator(folder)
