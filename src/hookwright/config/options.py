"""How an option is written down: beside its default and bounds it says its unit, what it means and why it is what it is."""

from typing import Any

from pydantic import Field


def option(default: Any, unit: str, meaning: str, why: str, **bounds: Any) -> Any:
    """A field of the settings. `docs/settings.md` is written from these."""
    return Field(default, description=meaning, json_schema_extra={"unit": unit, "why": why}, **bounds)
