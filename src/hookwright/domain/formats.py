"""How a message is put for an endpoint: its bytes as they are, as a form, or as a CloudEvent.

CloudEvents 1.0: HTTP Protocol Binding, 3.1 (binary) and 3.2 (structured), and JSON Event Format, 3.1. A form: the URL Standard's
application/x-www-form-urlencoded serializer.
"""

import base64
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import quote_plus

import msgspec

from hookwright.domain.endpoints import Format
from hookwright.domain.messages import Content

FORM = "application/x-www-form-urlencoded"
STRUCTURED = "application/cloudevents+json; charset=UTF-8"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text = msgspec.json.Decoder(str)
_encode = msgspec.json.Encoder().encode


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a message beside its content. `created_at` is Unix ms."""

    id: str
    application: str
    event_type: str
    channels: tuple[str, ...] | None = None
    created_at: int

    @property
    def time(self) -> str:
        """When it was created, by RFC 3339, with milliseconds."""
        return (_EPOCH + timedelta(milliseconds=self.created_at)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Formatted(NamedTuple):
    """`headers` belong to the format, and take the place of others of their names."""

    content: Content
    headers: tuple[tuple[str, str], ...] = ()


def put(form: Format, event: Event, content: Content) -> Formatted:
    match form:
        case "form":
            return Formatted(_form(content))
        case "cloudevents":
            return Formatted(_structured(event, content))
        case "cloudevents-binary":
            headers = ((f"ce-{name}", header_value(value)) for name, value in _attributes(event).items())
            return Formatted(content, tuple(headers))
        case "json":
            return Formatted(content)


def is_json(content_type: str) -> bool:
    """Whether this media type is JSON, by its name (CloudEvents JSON Event Format, 3.1)."""
    essence = content_type.partition(";")[0].strip().lower()
    return essence.endswith(("/json", "+json"))


def readable(body: bytes) -> bool:
    """Whether it is a JSON text."""
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def header_value(text: str) -> str:
    """An attribute as a header's value: in UTF-8, with space, quote, percent and what is not printable ASCII percent-encoded (3.1.3.2)."""
    return "".join(chr(byte) if 0x21 <= byte <= 0x7E and byte not in b'"%' else f"%{byte:02X}" for byte in text.encode())


def _attributes(event: Event) -> dict[str, str]:
    """Source and id together are unique, as they must be: an id is."""
    return {
        "specversion": "1.0",
        "id": event.id,
        "source": f"/app/{event.application}",
        "type": event.event_type,
        "time": event.time,
    }


def _structured(event: Event, content: Content) -> Content:
    document = _attributes(event) | {"datacontenttype": content.content_type} | _data(content)
    return Content(_encode(document), STRUCTURED)


def _data(content: Content) -> dict[str, object]:
    """JSON as the bytes that it is, other text as a text. What calls itself JSON and is none can be neither."""
    if is_json(content.content_type):
        if readable(content.body):
            return {"data": msgspec.Raw(content.body)}
    else:
        try:
            return {"data": content.body.decode()}
        except UnicodeDecodeError:
            pass
    return {"data_base64": base64.b64encode(content.body).decode()}


def _form(content: Content) -> Content:
    """A field for each member of a JSON object; anything else has no names for fields, and stays as it is.

    A text is itself, null is empty, and what is nested is JSON: there are many ways to write it with brackets, and one to read JSON.
    """
    if not is_json(content.content_type):
        return content
    try:
        fields = {name: _field(bytes(value)) for name, value in _members.decode(content.body).items()}
        body = "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in fields.items())
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return content
    return Content(body.encode(), FORM)


def _field(value: bytes) -> str:
    if value.startswith(b'"'):
        return _text.decode(value)
    return "" if value == b"null" else value.decode()


def _quoted(text: str) -> str:
    return quote_plus(text, safe="*").replace("~", "%7E")
