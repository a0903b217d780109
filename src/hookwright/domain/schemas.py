"""The schemas of event types: JSON Schema draft 7, one per version.

A schema is checked, never fetched: a `$ref` may only point into the schema itself, so that nothing that looks at it
later, here or in a client, is led to another host.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from jsonschema import Draft7Validator  # type: ignore[import-untyped]
from jsonschema.exceptions import SchemaError  # type: ignore[import-untyped]

from hookwright.domain.names import is_name

MAX_SCHEMAS_BYTES = 256 * 1024
MAX_VERSIONS = 100


def schema_problems(schemas: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every problem that is found: its place within `schemas`, and what it is."""
    if len(schemas) > MAX_VERSIONS:
        yield (), f"there are {len(schemas)} versions; at most {MAX_VERSIONS} are accepted"
        return
    size = len(msgspec.json.encode(schemas))
    if size > MAX_SCHEMAS_BYTES:
        yield (), f"all versions together have at most {MAX_SCHEMAS_BYTES} bytes as JSON; these have {size}"
        return
    for version, schema in schemas.items():
        if not is_name(version):
            yield (version,), "a version is a number or a short name, such as 1"
        elif not isinstance(schema, dict):
            yield (version,), "a schema is a JSON object"
        else:
            for place, text in _problems(schema):
                yield (version, *place), text


def _problems(schema: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    for place, ref in _foreign_refs(schema, ()):
        yield place, f"$ref {ref[:200]!r} points out of this schema; only #... is accepted"
    try:
        Draft7Validator.check_schema(schema)
    except SchemaError as error:
        yield tuple(str(part) for part in error.absolute_path), f"is not JSON Schema draft 7: {error.message[:500]}"


def _foreign_refs(value: Any, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """`$ref` at whatever depth; the caller has bounded the nesting."""
    if isinstance(value, dict):
        ref = value.get("$ref")
        if isinstance(ref, str) and not ref.startswith("#"):
            yield (*place, "$ref"), ref
        for key, item in value.items():
            yield from _foreign_refs(item, (*place, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _foreign_refs(item, (*place, str(index)))
