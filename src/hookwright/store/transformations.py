"""The command and the query about transformations. An endpoint has one or none; `endpoint` and `application` are ids."""

from msgspec import UNSET, UnsetType

from hookwright.domain.transformations import SealedTransformation
from hookwright.store import Command, Query


class ChangeTransformation(Command[SealedTransformation], frozen=True, kw_only=True):
    """Only what is given is changed; what there was none of begins without code, disabled. Raises NotFound."""

    application: str
    endpoint: str
    code: str | None = None
    enabled: bool | None = None
    variables: bytes | UnsetType | None = UNSET
    now: int


class FindTransformation(Query[SealedTransformation | None], frozen=True, kw_only=True):
    endpoint: str
