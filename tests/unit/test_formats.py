"""How a message is put: forms by the URL Standard, CloudEvents by their HTTP binding and JSON format."""

import base64
import json
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from hypothesis import given
from hypothesis import strategies as st

from hookwright.domain.endpoints import Format
from hookwright.domain.formats import FORM, STRUCTURED, Event, header_value, is_json, put
from hookwright.domain.messages import JSON, Content

EVENT = Event(id="msg_1", application="app_1", event_type="invoice.paid", created_at=1_700_000_000_123)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), VALUES, max_size=5)


def body_of(form: Format, body: bytes, content_type: str = JSON) -> bytes:
    return put(form, EVENT, Content(body, content_type)).content.body


@pytest.mark.parametrize("body", [b'{ "n" : 1.0 }', b"\xff\x00"])
def test_json_is_the_bytes_as_they_are(body: bytes) -> None:
    content = Content(body, "application/json;x=y")
    assert put("json", EVENT, content) == (content, ())


@pytest.mark.parametrize(
    ("body", "form"),
    [
        (b"{}", b""),
        (b'{"a": "b c", "d": "\xc3\xa9&=+%~*-._"}', b"a=b+c&d=%C3%A9%26%3D%2B%25%7E*-._"),
        (b'{"n": 12345678901234567890, "x": 1.50, "t": true, "f": false, "z": null}', b"n=12345678901234567890&x=1.50&t=true&f=false&z="),
        (b'{"o": {"a": [1, 2]}, "l": ["x"]}', b"o=%7B%22a%22%3A+%5B1%2C+2%5D%7D&l=%5B%22x%22%5D"),
        (b'{"a b": "\\u00e9"}', b"a+b=%C3%A9"),
    ],
)
def test_a_form_has_a_field_for_each_member(body: bytes, form: bytes) -> None:
    assert put("form", EVENT, Content(body)).content == Content(form, FORM)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b"[1]", JSON), (b"up\n", JSON), (b"a=b", "text/plain"), (b'{"a": "\\ud800"}', JSON), (b"\xff", JSON)],
)
def test_what_is_no_json_object_is_no_form(body: bytes, content_type: str) -> None:
    content = Content(body, content_type)
    assert put("form", EVENT, content).content == content


@given(OBJECTS)
def test_a_form_says_all_that_the_object_said(value: dict[str, Any]) -> None:
    read = dict(parse_qsl(body_of("form", json.dumps(value).encode()).decode(), keep_blank_values=True, strict_parsing=bool(value)))
    assert read.keys() == value.keys()
    for name, field in read.items():
        wanted = value[name]
        assert field == wanted if isinstance(wanted, str) else field == "" if wanted is None else json.loads(field) == wanted


def test_a_structured_event_has_every_attribute_in_its_body() -> None:
    content, headers = put("cloudevents", EVENT, Content(b'{"n": 1.0, "big": 12345678901234567890}'))
    assert content.content_type == STRUCTURED == "application/cloudevents+json; charset=UTF-8"
    assert headers == ()
    assert json.loads(content.body) == {
        "specversion": "1.0",
        "id": "msg_1",
        "source": "/app/app_1",
        "type": "invoice.paid",
        "time": "2023-11-14T22:13:20.123Z",
        "datacontenttype": "application/json",
        "data": {"n": 1.0, "big": 12345678901234567890},
    }
    assert b'"data":{"n": 1.0, "big": 12345678901234567890}' in content.body


@pytest.mark.parametrize(
    ("body", "content_type", "member", "value"),
    [
        (b"up\n", "text/plain", "data", "up\n"),
        (b'"a text"', "application/vnd.x+json", "data", "a text"),
        (b"<a/>", "application/xml", "data", "<a/>"),
        (b"up\n", JSON, "data_base64", base64.b64encode(b"up\n").decode()),
        (b"", JSON, "data_base64", ""),
        (b"\xff\x00", "application/octet-stream", "data_base64", "/wA="),
    ],
)
def test_data_is_json_or_a_text_or_else_base64(body: bytes, content_type: str, member: str, value: str) -> None:
    document = json.loads(body_of("cloudevents", body, content_type))
    assert document[member] == value
    assert document["datacontenttype"] == content_type
    assert len({"data", "data_base64"} & document.keys()) == 1


def test_a_binary_event_is_the_bytes_as_they_are_and_its_attributes_are_headers() -> None:
    content = Content(b'{ "n": 1 }', "application/json; charset=utf-8")
    formatted, headers = put("cloudevents-binary", EVENT, content)
    assert formatted == content
    assert dict(headers) == {
        "ce-specversion": "1.0",
        "ce-id": "msg_1",
        "ce-source": "/app/app_1",
        "ce-type": "invoice.paid",
        "ce-time": "2023-11-14T22:13:20.123Z",
    }


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("Euro € 😀", "Euro%20%E2%82%AC%20%F0%9F%98%80"),
        ('"100%"', "%22100%25%22"),
        ("!#$&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~", "!#$&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~"),
        ("\x7f\x1f", "%7F%1F"),
    ],
)
def test_a_header_encodes_what_is_not_printable_ascii_and_the_three_that_the_binding_names(text: str, header: str) -> None:
    assert header_value(text) == header


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_one_round_of_decoding_gives_an_attribute_back(text: str) -> None:
    assert unquote(header_value(text), errors="strict") == text
    assert header_value(text).isascii() and header_value(text).isprintable() and " " not in header_value(text)


@pytest.mark.parametrize("form", ["cloudevents", "cloudevents-binary"])
@pytest.mark.parametrize(
    ("body", "content_type", "data"),
    [
        (b'{"n": [1, null, "\xc3\xa9"]}', JSON, {"n": [1, None, "é"]}),
        (b"up\n", "text/plain", "up\n"),
        (b"\xff\x00", "image/png", b"\xff\x00"),
    ],
)
def test_the_projects_own_library_reads_what_was_put(form: Format, body: bytes, content_type: str, data: object) -> None:
    content, headers = put(form, EVENT, Content(body, content_type))
    message = HTTPMessage(headers={"content-type": content.content_type} | dict(headers), body=content.body)
    read = from_http_event(message)
    assert (read.get_id(), read.get_source(), read.get_type(), read.get_specversion()) == ("msg_1", "/app/app_1", "invoice.paid", "1.0")
    time = read.get_time()
    assert time is not None and time.timestamp() == 1_700_000_000.123
    assert read.get_datacontenttype() == content_type
    assert read.get_data() == data


@pytest.mark.parametrize(
    ("content_type", "answer"),
    [
        (JSON, True),
        ("Application/JSON; a=b", True),
        ("application/x+json", True),
        ("text/json", True),
        ("text/plain", False),
        ("json", False),
    ],
)
def test_json_is_told_by_its_name(content_type: str, answer: bool) -> None:
    assert is_json(content_type) is answer
