"""Content filters: what the grammar says, what is refused, and that nothing is too much."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from hookwright.domain import messages
from hookwright.domain.endpoints import Endpoint, Options
from hookwright.domain.filter_rules import MAX_BYTES, MAX_DEPTH, check_filter
from hookwright.domain.filters import NOT_JSON, Explanation, Filter, Reason, explain, judge, matches, read_payload
from hookwright.domain.messages import Content, Message, goes_to, sieve

ORDER = {
    "type": "order.paid",
    "id": 7,
    "order": {"amount": 1200, "currency": "EUR", "coupon": None, "paid": True},
    "tags": ["gift", "express"],
    "items": [{"sku": "A1", "price": 1000, "of": [{"n": 1}]}, {"sku": "B2", "price": 200}],
    "matrix": [[1, 2], [3]],
}
ENDPOINT = Endpoint(id="ep", application="app", organization="org", url="https://example.com/", created_at=1, updated_at=1)


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ({}, True),
        ({"type": "order.paid"}, True),
        ({"type": "order"}, False),
        ({"order": {"amount": 1200, "currency": "EUR"}}, True),
        ({"order": {"amount": 1200, "currency": "USD"}}, False),
        ({"order": {"amount": 1200.0}}, True),
        ({"order": {"amount": "1200"}}, False),
        ({"order": {"paid": 1}}, False),
        ({"order": {"coupon": None}}, True),
        ({"order": {"nothing": None}}, False),
        ({"order.amount": 1200}, False),
        # lists
        ({"tags": "gift"}, True),
        ({"tags": ["gift", "express"]}, True),
        ({"tags": ["express", "slow"]}, False),
        ({"type": ["order.paid"]}, False),
        ({"items": {"sku": "A1", "price": 1000}}, True),
        ({"items": {"sku": "A1", "price": 200}}, False),
        ({"$and": [{"items": {"sku": "A1"}}, {"items": {"price": 200}}]}, True),
        ({"items": [{"sku": "A1"}, {"price": 200}]}, True),
        ({"items": {"of": {"n": 1}}}, True),
        ({"items": {"$not": {"sku": "C3"}}}, True),
        ({"items": {"$not": {"sku": "A1"}}}, False),
        ({"items": {"price": {"$gt": 300, "$lt": 900}}}, False),
        ({"matrix": [[1, 2]]}, False),
        ({"matrix": {"$eq": [1, 2]}}, True),
        ({"matrix": {"$eq": [[1, 2], [3]]}}, True),
        # comparisons
        ({"order": {"amount": {"$gte": 1200, "$lt": 1201}}}, True),
        ({"order": {"amount": {"$gt": 1200}}}, False),
        ({"order": {"amount": {"$gt": "0"}}}, False),
        ({"order": {"paid": {"$gte": 1}}}, False),
        ({"type": {"$gt": "order", "$lte": "order.paid"}}, True),
        ({"order": {"nothing": {"$lt": 5}}}, False),
        ({"order": {"nothing": {"$neq": 5}}}, True),
        ({"order": {"currency": {"$neq": "EUR"}}}, False),
        ({"order": {"$eq": {"amount": 1200, "currency": "EUR", "coupon": None, "paid": True}}}, True),
        ({"order": {"$eq": {"amount": 1200}}}, False),
        ({"order": {"currency": {"$in": ["USD", "EUR"]}}}, True),
        ({"order": {"currency": {"$nin": ["USD", "EUR"]}}}, False),
        ({"tags": {"$in": ["gift"]}}, True),
        ({"type": {"$in": "paid"}}, True),
        ({"tags": {"$in": "gif"}}, False),
        ({"tags": {"$in": "gift"}}, True),
        ({"type": {"$startsWith": "order.", "$endsWith": ".paid"}}, True),
        ({"id": {"$startsWith": "7"}}, False),
        ({"tags": {"$startsWith": "ex"}}, True),
        ({"order": {"$exist": True, "coupon": {"$exist": True}}}, True),
        ({"order": {"nothing": {"$exist": False}}}, True),
        ({"nothing": {"at": {"all": {"$exist": False}}}}, True),
        # joined
        ({"$or": [{"type": "a"}, {"id": 7}]}, True),
        ({"id": {"$or": [1, {"$gt": 6}]}}, True),
        ({"$not": {"id": 7}}, False),
        ({"id": 7, "$or": [{"type": "a"}, {"type": "b"}]}, False),
    ],
)
def test_a_filter_says_what_the_document_says(filter: dict[str, Any], expected: bool) -> None:
    assert check_filter(filter) == []
    assert matches(filter, ORDER) is expected
    assert explain(filter, ORDER).matches is expected


@pytest.mark.parametrize(
    ("filter", "place", "said"),
    [
        ({"a": {"$regex": "."}}, "a.$regex", "$startsWith"),
        ({"$a": 1}, "$a", "no operator"),
        ({"a": {}}, "a", "$exist"),
        ({"a": []}, "a", "list of one condition"),
        ({"$or": {"a": 1}}, "$or", "list of one condition"),
        ({"$and": []}, "$and", "list of one condition"),
        ({"$or": [{"a": {"$lt": None}}]}, "$or.0.a.$lt", "a number or a text"),
        ({"a": {"$gte": True}}, "a.$gte", "a number or a text"),
        ({"a": {"$in": 5}}, "a.$in", "a list of values"),
        ({"a": {"$nin": []}}, "a.$nin", "a list of values"),
        ({"a": {"$startsWith": 5}}, "a.$startsWith", "a text"),
        ({"a": {"$exist": 1}}, "a.$exist", "true or false"),
        ({"a": {"$not": {}}}, "a.$not", "empty"),
        ({"a": 2**64}, "a", "64 bits"),
        ({"a": {"$in": [{"b": -(2**63) - 1}]}}, "a.$in.0.b", "64 bits"),
        ({"a": "x" * MAX_BYTES}, "", str(MAX_BYTES)),
    ],
)
def test_what_is_no_filter_is_refused_at_its_place(filter: dict[str, Any], place: str, said: str) -> None:
    (problem,) = check_filter(filter)
    assert ".".join(problem.loc) == f"body.filter.{place}".rstrip(".")
    assert said in problem.msg


def test_all_that_is_wrong_is_told_at_once() -> None:
    assert len(check_filter({"a": {"$x": 1}, "b": {"$in": 1}, "$or": [{"c": {}}, {"d": []}]})) == 4


def test_a_filter_that_goes_too_deep_is_refused() -> None:
    def nested(depth: int) -> dict[str, Any]:
        filter: dict[str, Any] = {"a": 1}
        for _ in range(depth - 1):
            filter = {"a": filter}
        return filter

    assert check_filter(nested(MAX_DEPTH)) == []
    assert check_filter(nested(MAX_DEPTH + 1))
    assert check_filter(nested(500))


def test_an_explanation_names_path_wanted_and_found() -> None:
    filter = {"items": {"sku": "B2", "price": {"$gt": 100}}, "$or": [{"order": {"amount": {"$lt": 5}}}, {"none": "x"}]}
    assert explain(filter, ORDER) == Explanation(
        matches=False,
        reasons=(
            Reason("order.amount", "$or.0.order.amount.$lt", "5", "1200", False),
            Reason("none", "$or.1.none", '"x"', "nothing", False),
            Reason("items[1].sku", "items.sku", '"B2"', '"B2"', True),
            Reason("items[1].price", "items.price.$gt", "100", "200", True),
        ),
    )


def test_an_explanation_of_a_list_says_that_no_item_fits() -> None:
    assert explain({"items": {"sku": "C3"}}, ORDER).reasons == (Reason("items", "items", '{"sku": "C3"}', "a list of 2 items", False),)


def test_an_explanation_is_text_whatever_is_in_the_payload() -> None:
    payload = read_payload(b'{"a": "\\ud800", "b": "' + b"x" * 1000 + b'", "c": ' + b"9" * 4000 + b', "d": 1e999, "e": "\xc3\xa9"}')
    explained = explain(dict.fromkeys("abcde", 1), payload)
    found = [reason.found for reason in explained.reasons]
    assert found[0] == '"\\ud800"' and found[3:] == ["Infinity", '"é"']
    assert all(len(text) < 300 for text in found)
    msgspec.json.encode(explained)


@pytest.mark.parametrize(
    "body",
    [b"", b"<a/>", b"{", b'{"a": NaN}', b"\xff", b'{"a": ' + b"9" * 5000 + b"}", b"[" * 200_000, b'{"a":1} {"a":1}'],
    ids=["empty", "xml", "cut", "nan", "bytes", "digits", "nested", "two"],
)
def test_what_is_no_json_matches_nothing_and_its_opposite_neither(body: bytes) -> None:
    payload = read_payload(body)
    assert payload is NOT_JSON
    assert not matches({"a": 1}, payload) and not matches({"$not": {"a": 1}}, payload)
    assert explain({"a": 1}, payload).problem == "the payload is not JSON"


@pytest.mark.parametrize(
    ("filter", "payload"),
    [
        ({"$or": [{"a": n} for n in range(700)]}, {"a": [-1] * 300_000}),
        ({"$not": {"a": {"$in": list(range(1000))}}}, {"a": [-1] * 300_000}),
        ({"a": {"b": {"c": {"$neq": 1}, "$and": [{"d": n} for n in range(100)]}}}, {"a": [{"b": [{"c": 1}] * 300}] * 300}),
        ({"$or": [{"a": {"$in": f"{n}b"}} for n in range(300)]}, {"a": "a" * 1_000_000}),
        ({"a": {"$eq": [[n] for n in range(500)]}}, {"a": [[*([n] for n in range(499)), 0]] * 2000}),
    ],
    ids=["or", "in", "nested", "text", "equal"],
)
def test_what_is_too_much_to_look_at_is_not_wanted(filter: dict[str, Any], payload: dict[str, Any]) -> None:
    assert check_filter(filter) == []
    explained = explain(filter, payload)
    assert not explained.matches
    assert explained.problem is not None and "values for this filter" in explained.problem


def test_lists_in_lists_without_end_are_not_wanted() -> None:
    payload: Any = {"b": 1}
    for _ in range(900):
        payload = [payload]
    assert not matches({"a": {"b": 1}}, {"a": payload})
    assert explain({"a": {"b": 1}}, {"a": payload}).problem == "the payload is nested too deep"


def test_an_operator_of_a_later_release_wants_nothing() -> None:
    assert not matches({"a": {"$later": 1}}, {"a": 1})
    assert not matches({"$not": {"a": {"$later": 1}}}, {"a": 1})


def filtered(filter: dict[str, Any] | None, **fields: Any) -> Endpoint:
    return msgspec.structs.replace(ENDPOINT, options=Options(filter=filter), **fields)


def let_through(endpoints: Sequence[Endpoint], content: Content | None) -> list[Endpoint]:
    return [one for portion in sieve(endpoints, content) for one in portion]


def test_a_payload_is_read_once_however_many_filters_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []

    def reading(body: bytes) -> Any:
        read.append(body)
        return json.loads(body)

    monkeypatch.setattr(messages, "read_payload", reading)
    plain, one, other = filtered(None), filtered({"n": 1}), filtered({"n": 2})
    assert let_through([plain, one, other], Content(b'{"n":1}')) == [plain, one]
    assert read == [b'{"n":1}']


def test_a_payload_that_nobody_filters_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "read_payload", None)
    assert let_through([ENDPOINT], Content(b'{"n":1}')) == [ENDPOINT]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (Content(b'{"n":1}'), True),
        (Content(b'{"n":1}', "Application/JSON; charset=utf-8"), True),
        (Content(b'{"n":1}', "application/cloudevents+json"), True),
        (Content(b'{"n":1}', "text/plain"), False),
        (Content(b"n=1", "application/x-www-form-urlencoded"), False),
        (None, False),
    ],
)
def test_a_filter_wants_json_that_is_there(content: Content | None, expected: bool) -> None:
    assert bool(let_through([filtered({"n": 1})], content)) is expected


def test_a_message_that_was_kept_goes_where_type_channel_and_filter_say() -> None:
    message = Message(
        id="msg", organization="org", application="app", event_type="a", channels=("c",), created_at=1, content_expires_at=2
    )  # fmt: skip
    content = Content(b'{"n":1}')
    assert goes_to(filtered({"n": 1}, event_types=frozenset({"a"}), channels=frozenset({"c"})), message, content)[0]
    assert not goes_to(filtered({"n": 2}), message, content)[0]
    assert not goes_to(filtered({"n": 1}, event_types=frozenset({"b"})), message, content)[0]
    assert not goes_to(filtered({"n": 1}, channels=frozenset({"d"})), message, content)[0]
    assert goes_to(filtered(None), message, None) == (True, 0)


LONG_LIST = json.dumps({"list": [{"n": n} for n in range(4_000)]}).encode()
"""A condition on the field of its items is tried on each: 5 looks for the item, 5 for its field, and 1."""
MUCH_WORK = {"list": {"n": -1}}


def numbered(filter: dict[str, Any] | None, count: int) -> list[Endpoint]:
    return [filtered(filter, id=f"ep_{filter}_{n}") for n in range(count)]


def test_filters_that_are_much_work_keep_no_other_endpoint_from_its_message_and_share_what_may_be_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spent: list[int] = []

    def judging(filter: Filter, payload: Any, most: int) -> tuple[bool | None, int]:
        spent.append(judge(filter, payload, most)[1])
        return judge(filter, payload, most)

    monkeypatch.setattr(messages, "judge", judging)
    monkeypatch.setattr(messages, "MOST_LOOKS", 100_000)
    wanting = {"$not": MUCH_WORK}
    hostile, late, plain = numbered(MUCH_WORK, 30), numbered(wanting, 1), numbered(None, 1)
    easy = numbered({"list": {"$exist": True}}, 1)
    assert let_through([*hostile, *late, *easy, *plain], Content(LONG_LIST)) == [*plain, *easy], "what is left over is not judged"
    assert sum(spent) <= 100_000 + 32 * messages.QUICK_LOOKS
    assert let_through([*late, *hostile], Content(LONG_LIST)) == late


def test_others_get_a_turn_while_many_filters_are_judged() -> None:
    endpoints = numbered(MUCH_WORK, 5)
    assert len(list(sieve(endpoints, Content(LONG_LIST)))) == 5
    assert list(sieve(numbered({"n": 1}, 5), Content(b'{"n":1}'))) == [numbered({"n": 1}, 5)], "nobody waits for what is soon done"


@pytest.mark.parametrize("most", [0, 4, 10, 100, 43_999, 44_100, 50_000])
def test_a_filter_is_judged_within_its_looks_or_not_at_all(most: int) -> None:
    payload = json.loads(LONG_LIST)
    verdict, looked = judge(MUCH_WORK, payload, most)
    assert looked <= most
    assert verdict is (False if most > 44_050 else None)
    assert judge(MUCH_WORK, payload, 50_000) == (matches(MUCH_WORK, payload), judge(MUCH_WORK, payload, 50_000)[1])
