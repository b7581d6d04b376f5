"""Names of elements and attributes with their namespaces.

expat would join the namespace's URI and the name for every attribute: a file of 1 MB with a long URI takes gigabytes.
So it reads names as they are, and namespaces are looked up here, with limits that no real file comes near.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from typing import NamedTuple

from service.errors import DocumentTooLarge, MalformedDocument

_MAX_LENGTH = 1_024
"""Characters of a name and of the URI of a namespace."""
_MAX_ATTRIBUTES = 256
"""Attributes of an element, and namespaces that are declared at one place."""
_MAX_NAMES = 1_000
"""Names that are remembered in each scope of namespaces."""
_LONG_TAG = re.compile(rb"<(?![!?/])[^<]{65536}")
_INSIDE_OF_TAG = re.compile(rb"<[^\"'<>]*+(?:(?:\"[^\"<]*+\"|'[^'<]*+')[^\"'<>]*+)*+")
_VALUE = re.compile(rb"\"[^\"]*+\"|'[^']*+'")


def check_long_tags(content: bytes, where: str) -> None:
    """Raise DocumentTooLarge for a long tag with too many attributes, which takes the parser much memory."""
    for match in _LONG_TAG.finditer(content):
        tag = _INSIDE_OF_TAG.match(content, match.start())
        values = _VALUE.finditer(content, match.start(), tag.end() if tag else match.end())
        if next(islice(values, _MAX_ATTRIBUTES, None), None):
            raise _too_many(where)


class _Scope(NamedTuple):
    """Where the same namespaces are declared."""

    namespaces: Mapping[str, str]
    """The URI of each prefix of the file."""
    names: dict[str, str]
    """The names that were looked up, by how the file writes them."""


class NameReader:
    """Looks up names.

    Args:
        prefixes: the prefix of each namespace in the names that are returned; that of others is `?`.
        where: the name of the file in errors.
    """

    def __init__(self, prefixes: Mapping[str, str], where: str) -> None:
        self._prefixes, self._where = prefixes, where
        self._scopes = [_Scope({"xml": "http://www.w3.org/XML/1998/namespace"}, {})]

    def start(self, name: str, attributes: Mapping[str, str]) -> tuple[str, dict[str, str]]:
        """The name and the attributes of an element that starts, without those that declare namespaces.

        Raises:
            DocumentTooLarge: a name or namespace is too long, or there are too many attributes or namespaces.
            MalformedDocument: a prefix is not declared.
        """
        if len(attributes) > _MAX_ATTRIBUTES:
            raise _too_many(self._where)
        scope = self._scopes[-1]
        declared = {key[6:]: value for key, value in attributes.items() if key == "xmlns" or key.startswith("xmlns:")}
        if declared:
            scope = _Scope({**scope.namespaces, **declared}, {})
            self._check_namespaces(declared, scope)
            attributes = {key: value for key, value in attributes.items() if key != "xmlns" and key[:6] != "xmlns:"}
        self._scopes.append(scope)
        own = {self._name(key) if ":" in key else self._checked(key): value for key, value in attributes.items()}
        return self._name(name), own

    def end(self, name: str) -> str:
        """The name of an element that ends."""
        own = self._name(name)
        self._scopes.pop()
        return own

    def _name(self, name: str) -> str:
        scope = self._scopes[-1]
        known = scope.names.get(name)
        if known is None:
            prefix, separator, local = self._checked(name).rpartition(":")
            namespace = scope.namespaces.get(prefix)
            if separator and not namespace:
                raise MalformedDocument(f"{self._where} is damaged: the prefix {prefix} is not declared")
            known = f"{self._prefixes.get(namespace, '?')}:{local}" if namespace else local
            if len(scope.names) < _MAX_NAMES:
                scope.names[name] = known
        return known

    def _checked(self, name: str) -> str:
        if len(name) > _MAX_LENGTH:
            raise DocumentTooLarge(f"{self._where} has a name of more than {_MAX_LENGTH} characters")
        return name

    def _check_namespaces(self, declared: Mapping[str, str], scope: _Scope) -> None:
        if any(len(uri) > _MAX_LENGTH for uri in declared.values()):
            raise DocumentTooLarge(f"{self._where} has a namespace of more than {_MAX_LENGTH} characters")
        if len(scope.namespaces) > _MAX_ATTRIBUTES:
            raise DocumentTooLarge(f"{self._where} has more than {_MAX_ATTRIBUTES} namespaces at one place")


def _too_many(where: str) -> DocumentTooLarge:
    return DocumentTooLarge(f"{where} has an element with more than {_MAX_ATTRIBUTES} attributes")
