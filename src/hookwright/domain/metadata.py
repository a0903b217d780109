"""Metadata: a caller's own texts beside an application or an endpoint."""

import msgspec

MAX_METADATA_BYTES = 4096


def metadata_problem(metadata: dict[str, str]) -> str | None:
    """What is wrong with it, or None: as JSON it has at most 4096 bytes."""
    size = len(msgspec.json.encode(metadata))
    return f"metadata has at most {MAX_METADATA_BYTES} bytes as JSON; this has {size}" if size > MAX_METADATA_BYTES else None
