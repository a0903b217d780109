"""Stored values read back. What cannot be read raises Unreadable, which names the column and never quotes what is in it."""

from enum import IntEnum
from typing import TypeVar

import msgspec

from hookwright.errors import Unreadable

E = TypeVar("E", bound=IntEnum)
T = TypeVar("T")
_names = msgspec.json.Decoder(tuple[str, ...])
_texts = msgspec.json.Decoder(dict[str, str])


def names(column: str, stored: str | bytes | None) -> tuple[str, ...] | None:
    """Of a JSON array of texts, or null."""
    return None if stored is None else decoded(_names, column, stored)


def name_set(column: str, stored: str | bytes | None) -> frozenset[str] | None:
    found = names(column, stored)
    return None if found is None else frozenset(found)


def texts(column: str, stored: str | bytes) -> dict[str, str]:
    """Of a JSON object whose values are texts."""
    return decoded(_texts, column, stored)


def text(column: str, stored: bytes) -> str:
    """Of a text that was selected as a blob, because SQLite itself does not look whether a text is one."""
    try:
        return stored.decode()
    except UnicodeDecodeError as error:
        raise Unreadable(f"{column}: {error}") from error


def member(column: str, of: type[E], stored: int) -> E:
    try:
        return of(stored)
    except ValueError as error:
        raise Unreadable(f"{column}: {error}") from error


def decoded(decoder: msgspec.json.Decoder[T], column: str, stored: str | bytes) -> T:
    """Of JSON, as `decoder` has it."""
    try:
        return decoder.decode(stored)
    except msgspec.DecodeError as error:
        raise Unreadable(f"{column}: {error}") from error
