"""A transformation: a customer's own script between a message and an endpoint. Values, limits, and what goes into it and comes out.

The script declares `function handler(webhook)`; what it returns is what is sent. Nothing of it is trusted: what comes out is
judged like what a customer writes into an endpoint.
"""

from typing import Literal

import msgspec

from hookwright.domain.headers import check_headers, value_problem
from hookwright.domain.urls import check_url

MAX_CODE = 65_536
"""Characters."""
MAX_VARIABLES = 64
MAX_VARIABLES_BYTES = 16_384
"""All of them, as JSON."""
MAX_REASON = 2_000
"""Characters of what a script's failure may say."""
METHODS = ("POST", "PUT", "PATCH")
CONTENT_TYPE = "content-type"


class SealedTransformation(msgspec.Struct, frozen=True, kw_only=True):
    """As it lies in the store. No code: nothing runs. `sealed_variables`: a sealed JSON object. `updated_at`: Unix ms."""

    code: str = ""
    enabled: bool = False
    sealed_variables: bytes | None = None
    updated_at: int

    @property
    def runs(self) -> bool:
        return self.enabled and bool(self.code)


class Transformation(msgspec.Struct, frozen=True):
    """As it is run."""

    code: str
    variables: dict[str, str] = {}


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a script returned. `url` and `method` are None where it said nothing; `body` is None where it left the payload as it was."""

    method: str | None = None
    url: str | None = None
    headers: dict[str, str] = {}
    cancel: bool = False
    kind: Literal["same", "json", "text"] = "same"
    body: str | None = None

    @property
    def content_type(self) -> str | None:
        """What it says that the body is."""
        return next((value for name, value in self.headers.items() if name.lower() == CONTENT_TYPE), None)

    @property
    def own_headers(self) -> tuple[tuple[str, str], ...]:
        return tuple((name, value) for name, value in self.headers.items() if name.lower() != CONTENT_TYPE)


_answer = msgspec.json.Decoder(Answer)


def variables_problem(variables: dict[str, str]) -> str | None:
    """What is wrong with them, or None."""
    if len(variables) > MAX_VARIABLES:
        return f"has {len(variables)} entries; at most {MAX_VARIABLES} are accepted"
    size = len(msgspec.json.encode(variables))
    return f"variables have at most {MAX_VARIABLES_BYTES} bytes as JSON; these have {size}" if size > MAX_VARIABLES_BYTES else None


def read_answer(text: str, *, https_only: bool) -> Answer:
    """What a script returned, checked; its URL in its normal form. Raises ValueError, which says what is wrong with it."""
    try:
        answer = _answer.decode(text)
    except msgspec.DecodeError as error:
        raise ValueError(f"what the handler returned is no webhook: {error}") from error
    if answer.cancel:
        return answer
    if answer.method is not None and answer.method not in METHODS:
        raise ValueError(f"the method is {answer.method[:20]!r}; it can be {', '.join(METHODS)}")
    _check_headers(answer)
    if answer.url is None:
        return answer
    return msgspec.structs.replace(answer, url=check_url(answer.url, https_only=https_only))


def _check_headers(answer: Answer) -> None:
    wrong = [f"the header {problem.loc[-1]!r}: {problem.msg}" for problem in check_headers(dict(answer.own_headers))]
    content_type = answer.content_type
    if content_type is not None and (not content_type or value_problem(content_type) is not None):
        wrong.append(f"the header {CONTENT_TYPE!r}: it should be a media type, such as application/xml")
    if wrong:
        raise ValueError("; ".join(wrong))
