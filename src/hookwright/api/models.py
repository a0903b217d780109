"""What the models of all nouns share: how names look on the wire, and the types of common fields.

Names are camelCase outside and snake_case inside. What comes in is taken strictly (a number is not a text); fields
that nobody knows are ignored, as clients of other versions expect.
"""

from typing import Annotated, Any

from pydantic import AfterValidator, AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from hookwright.domain.metadata import metadata_problem
from hookwright.domain.names import MAX_NAME, MAX_TEXT, TEXT_PATTERN, UID_PATTERN, uid_problem

UINT16 = 65_535


class Input(BaseModel):
    """The body of a request."""

    model_config = ConfigDict(alias_generator=to_camel, strict=True, extra="ignore")


class Output(BaseModel):
    """The body of an answer; made by our own names."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


def refuse(problem: str | None) -> None:
    """Raise what pydantic shows as a problem of the field at hand."""
    if problem is not None:
        raise PydanticCustomError("value_error", "{problem}", {"problem": problem})


def _distinct(values: list[Any]) -> list[Any]:
    refuse(None if len(set(values)) == len(values) else "names something twice")
    return values


def _small(metadata: dict[str, str]) -> dict[str, str]:
    refuse(metadata_problem(metadata))
    return metadata


def no_id(prefix: str) -> AfterValidator:
    """The part of a uid's type that keeps it from looking like an id: `Annotated[Uid, no_id("app")]`."""

    def check(uid: str) -> str:
        refuse(uid_problem(uid, prefix))
        return uid

    return AfterValidator(check)


Uid = Annotated[str, Field(min_length=1, max_length=MAX_NAME, pattern=UID_PATTERN, examples=["unique-identifier"])]
"""A caller's own name for a thing."""


Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME, pattern=UID_PATTERN)]
"""A name such as an event type's."""

Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT, pattern=TEXT_PATTERN)]
"""One line for people."""

Metadata = Annotated[dict[str, str], AfterValidator(_small)]
MetadataOrNull = Annotated[
    Metadata, BeforeValidator(lambda value: {} if value is None else value, json_schema_input_type=dict[str, str] | None)
]
"""Metadata where null means none."""


def whole(value: object) -> object:
    """A whole number as an int, anything else as it is. In JSON 5.0 is the same number as 5 (RFC 8259 section 6)."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(whole)
"""The last part of a whole number's type, after its bounds."""

Rate = Annotated[int, Field(ge=1, le=UINT16, description="Messages per second at most"), WHOLE]
RATE_NAMES = AliasChoices("throttleRate", "rateLimit")
"""`throttleRate` on the wire; `rateLimit` is its older name and still taken."""

Names = Annotated[list[Name], AfterValidator(_distinct), Field(max_length=1000, json_schema_extra={"uniqueItems": True})]
