"""Every route of the application, and a request for each: new routes are there by themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest

from service.api.forms import MULTIPART
from service.api.openapi_document import OPENAPI
from service.api.operation import Operation
from service.api.page_files import PAGES
from service.app import OPERATIONS
from tests.support.classifier_bundles import write_classifier
from tests.support.tagger_bundles import write_tagger
from tests.support.translator_bundles import write_translator
from tests.support.word_vector_bundles import write_words

ROUTES = (*OPERATIONS, OPENAPI, *PAGES)
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


def names_nothing(operation: Operation) -> bool:
    """Whether `path_of` names something that is not there."""
    return "nosuch" in path_of(operation) or path_of(operation).endswith("/x")


def content_type_of(operation: Operation) -> str:
    """The content type of `body_of`: JSON, if the operation has it."""
    return "application/json" if _takes_json(operation) else f"{MULTIPART}; boundary=x"


def body_of(operation: Operation) -> bytes:
    """A body for an operation, which may refuse it: its example, an empty object, or a form with an empty field."""
    if _takes_json(operation):
        return orjson.dumps(operation.example or {})
    return b'--x\r\ncontent-disposition: form-data; name="x"\r\n\r\n\r\n--x--\r\n'


def _takes_json(operation: Operation) -> bool:
    return operation.body is not None or MULTIPART not in operation.body_media_types


def write_models(folder: Path) -> None:
    """Write a tiny bundle of every task."""
    write_classifier(folder, explain=True)
    write_words(folder)
    write_tagger(folder)
    write_translator(folder)
