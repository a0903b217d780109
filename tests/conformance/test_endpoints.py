from typing import Any

import msgspec
import pytest

from hookwright.domain.endpoints import Endpoint, EndpointRecord, Options, SealedSecret
from hookwright.domain.pages import PageRequest
from hookwright.domain.verification import Consent
from hookwright.errors import BadRequest, Conflict, NotFound
from hookwright.store.endpoints import (
    CreateEndpoint,
    DeleteEndpoint,
    FindEndpoint,
    FindEndpointRecord,
    ListEndpoints,
    LoadApplication,
    LoadEndpoint,
    RotateSecret,
    SetAccess,
    SetHeaders,
    UpdateEndpoint,
)

from .conftest import OpenStore
from .makers import HOUR, NOW, ORG, World, check


def rotation(world: World, endpoint: Endpoint, sealed: bytes, *, grace: int = HOUR, most: int = 10) -> RotateSecret:
    return RotateSecret(
        application=world.app,
        endpoint=endpoint.id,
        secret=SealedSecret(sealed, world.now),
        old_expires_at=world.now + grace,
        now=world.now,
        most=most,
    )


def test_every_field_of_an_endpoint_comes_back_as_it_was_given(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        made = await world.endpoint(
            uid="u", description="d", version=3, event_types=frozenset({"a", "b"}), channels=frozenset({"c"}), throttle_rate=9,
            metadata={"k": "v"}, disabled_reason="manual",
        )  # fmt: skip
        assert await world.store.read(FindEndpoint(application=world.app, ref=made.id)) == made

    check(stores, story)


def test_an_endpoint_is_found_by_its_uid_in_its_own_application_only(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        made = await world.endpoint(uid="u")
        other = await world.application()
        assert await world.store.read(FindEndpoint(application=world.app, ref="u")) == made
        assert await world.store.read(FindEndpoint(application=other.id, ref="u")) is None
        assert await world.store.read(FindEndpoint(application=other.id, ref=made.id)) is None

    check(stores, story)


def test_a_uid_that_is_taken_is_a_conflict_and_stores_nothing(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        first = await world.endpoint(uid="u")
        with pytest.raises(Conflict):
            await world.endpoint(uid="u")
        page = await world.store.read(ListEndpoints(application=world.app, page=PageRequest()))
        assert page.data == [first]

    check(stores, story)


def test_two_applications_may_use_the_same_uid(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        await world.endpoint(uid="u")
        other = await world.application()
        assert (await world.endpoint(uid="u", application=other.id)).uid == "u"

    check(stores, story)


def test_an_endpoint_of_an_application_that_is_not_there_is_not_made(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        with pytest.raises(NotFound):
            await world.endpoint(application="app_none")

    check(stores, story)


def test_an_application_has_a_largest_number_of_endpoints_and_deleted_ones_do_not_count(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        first = await world.endpoint()
        with pytest.raises(BadRequest) as refused:
            await world.store.write(CreateEndpoint(record=world.record(), most=1))
        assert refused.value.code == "limit_reached"
        await world.store.write(DeleteEndpoint(application=world.app, ref=first.id, now=NOW))
        await world.store.write(CreateEndpoint(record=world.record(), most=1))

    check(stores, story)


def test_an_update_replaces_the_settings_and_keeps_secrets_and_headers(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        made = await world.endpoint(headers=b"sealed", access=b"in")
        new = msgspec.structs.replace(made, url="https://example.com/new", uid="u", event_types=frozenset({"a"}), updated_at=NOW + 1)
        assert await world.store.write(UpdateEndpoint(endpoint=new)) == new
        record = await world.store.read(FindEndpointRecord(application=world.app, ref="u"))
        assert record is not None
        assert (record.endpoint, record.sealed_headers, record.sealed_access, len(record.secrets)) == (new, b"sealed", b"in", 1)

    check(stores, story)


def test_an_update_that_was_computed_from_something_older_is_refused(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        made = await world.endpoint()
        first = msgspec.structs.replace(made, disabled_reason="gone")
        await world.store.write(UpdateEndpoint(endpoint=first, expected=made))
        with pytest.raises(Conflict) as refused:
            await world.store.write(UpdateEndpoint(endpoint=msgspec.structs.replace(made, description="d"), expected=made))
        assert refused.value.code == "changed_meanwhile"
        assert await world.store.read(FindEndpoint(application=world.app, ref=made.id)) == first

    check(stores, story)


def test_an_update_to_a_uid_that_is_taken_is_a_conflict(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        await world.endpoint(uid="u")
        second = await world.endpoint(uid="v")
        with pytest.raises(Conflict):
            await world.store.write(UpdateEndpoint(endpoint=msgspec.structs.replace(second, uid="u")))

    check(stores, story)


def test_a_deleted_endpoint_is_gone_and_its_uid_is_free(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        made = await world.endpoint(uid="u")
        assert await world.store.write(DeleteEndpoint(application=world.app, ref="u", now=NOW)) == made
        assert await world.store.read(FindEndpoint(application=world.app, ref=made.id)) is None
        assert await world.store.read(LoadEndpoint(id=made.id)) is None
        with pytest.raises(NotFound):
            await world.store.write(DeleteEndpoint(application=world.app, ref=made.id, now=NOW))
        with pytest.raises(NotFound):
            await world.store.write(UpdateEndpoint(endpoint=made))
        assert (await world.endpoint(uid="u")).id != made.id

    check(stores, story)


def test_a_deleted_endpoint_is_still_found_by_its_id_when_asked_for(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        made = await world.endpoint(uid="u")
        await world.store.write(DeleteEndpoint(application=world.app, ref="u", now=NOW))
        assert await world.store.read(FindEndpoint(application=world.app, ref=made.id, deleted=True)) == made
        assert await world.store.read(FindEndpoint(application=world.app, ref="u", deleted=True)) is None

    check(stores, story)


def test_headers_and_access_are_replaced_only_if_they_are_what_was_expected(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        for command in (SetHeaders, SetAccess):
            made = await world.endpoint(headers=b"one", access=b"one")

            async def set_to(
                sealed: bytes | None, expected: bytes | None, set_sealed: Any = command, endpoint: str = made.id
            ) -> EndpointRecord:
                change = set_sealed(application=world.app, endpoint=endpoint, sealed=sealed, expected=expected, now=NOW + 5)
                await world.store.write(change)
                record = await world.store.read(LoadEndpoint(id=endpoint))
                assert record is not None
                return record

            await set_to(b"two", b"one")
            with pytest.raises(Conflict):
                await set_to(b"three", b"one")
            record = await set_to(None, b"two")
            kept = (None, b"one") if command is SetHeaders else (b"one", None)
            assert (record.sealed_headers, record.sealed_access, record.endpoint.updated_at) == (*kept, NOW + 5)

    check(stores, story)


def test_nothing_is_set_at_an_endpoint_that_is_not_there(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        made = await world.endpoint()
        await world.store.write(DeleteEndpoint(application=world.app, ref=made.id, now=NOW))
        for command in (SetHeaders, SetAccess):
            for endpoint in (made.id, "ep_none"):
                with pytest.raises(NotFound):
                    await world.store.write(command(application=world.app, endpoint=endpoint, sealed=b"x", expected=None, now=NOW))

    check(stores, story)


def test_what_few_endpoints_need_is_kept_with_them(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        consent = Consent(url="https://example.com/", asked="options", at=NOW, origin="hooks.example.com", rate=30)
        made = await world.endpoint(options=Options(verification="options", consent=consent), disabled_reason="unverified")
        assert await world.store.read(FindEndpoint(application=world.app, ref=made.id)) == made
        new = msgspec.structs.replace(made, options=Options(verification="challenge", challenge_method="POST"), disabled_reason=None)
        await world.store.write(UpdateEndpoint(endpoint=new))
        assert await world.store.read(FindEndpoint(application=world.app, ref=made.id)) == new

    check(stores, story)


def test_the_newest_secret_is_the_current_one_and_older_ones_expire(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        made = await world.endpoint()
        await world.store.write(rotation(world, made, b"second"))
        record = await world.store.read(FindEndpointRecord(application=world.app, ref=made.id))
        assert record is not None
        assert record.secrets == (SealedSecret(b"second", NOW), SealedSecret(b"first", NOW, NOW + HOUR))

    check(stores, story)


def test_a_rotation_without_grace_leaves_the_new_secret_alone(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        made = await world.endpoint()
        await world.store.write(rotation(world, made, b"second", grace=0))
        record = await world.store.read(LoadEndpoint(id=made.id))
        assert record is not None
        assert record.secrets == (SealedSecret(b"second", NOW),)

    check(stores, story)


def test_too_many_old_secrets_refuse_another_rotation_until_one_expired(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        made = await world.endpoint()
        await world.store.write(rotation(world, made, b"2", most=2))
        await world.store.write(rotation(world, made, b"3", most=2))
        with pytest.raises(BadRequest) as refused:
            await world.store.write(rotation(world, made, b"4", most=2))
        assert refused.value.code == "limit_reached"
        world.now += HOUR
        await world.store.write(rotation(world, made, b"4", most=2))
        record = await world.store.read(LoadEndpoint(id=made.id))
        assert record is not None
        assert [secret.sealed for secret in record.secrets] == [b"4", b"3"]

    check(stores, story)


def test_pages_walk_all_endpoints_once_in_both_orders(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        made = [(await world.endpoint()).id for _ in range(5)]
        await world.store.write(DeleteEndpoint(application=world.app, ref=made.pop(2), now=NOW))
        for order, wanted in (("ascending", made), ("descending", made[::-1])):
            seen: list[str] = []
            request = PageRequest(limit=3, order=order)  # type: ignore[arg-type]
            while True:
                page = await world.store.read(ListEndpoints(application=world.app, page=request))
                seen += [endpoint.id for endpoint in page.data]
                if page.done:
                    break
                request = msgspec.structs.replace(request, cursor=page.last)
            assert seen == wanted

    check(stores, story)


def test_reading_backwards_gives_the_page_before_in_the_lists_order(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        made = [(await world.endpoint()).id for _ in range(4)]
        request = PageRequest(limit=2, cursor=made[3], backwards=True, order="ascending")
        page = await world.store.read(ListEndpoints(application=world.app, page=request))
        assert [endpoint.id for endpoint in page.data] == made[1:3]
        assert (page.first, page.last, page.done) == (made[1], made[2], False)

    check(stores, story)


def test_a_page_of_no_rows_says_whether_there_are_any(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        empty = await world.store.read(ListEndpoints(application=world.app, page=PageRequest(limit=0)))
        await world.endpoint()
        some = await world.store.read(ListEndpoints(application=world.app, page=PageRequest(limit=0)))
        assert (empty.data, empty.done, some.data, some.done) == ([], True, [], False)

    check(stores, story)


def test_an_application_is_loaded_with_its_live_endpoints(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        kept, gone, other = [await world.endpoint() for _ in range(3)]
        await world.store.write(DeleteEndpoint(application=world.app, ref=gone.id, now=NOW))
        loaded = await world.store.read(LoadApplication(organization=ORG, ref="customer"))
        assert loaded is not None
        assert (loaded.application.id, loaded.endpoints) == (world.app, (kept, other))

    check(stores, story)


def test_an_endpoint_is_loaded_with_all_its_parts(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint(headers=b"sealed", access=b"in")
        await world.store.write(rotation(world, endpoint, b"second"))
        record = await world.store.read(LoadEndpoint(id=endpoint.id))
        assert record is not None
        assert (record.endpoint, record.sealed_headers, record.sealed_access) == (endpoint, b"sealed", b"in")
        assert [secret.sealed for secret in record.secrets] == [b"second", b"first"]

    check(stores, story)


def test_an_application_is_not_loaded_for_another_organization(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        assert await world.store.read(LoadApplication(organization="org_other", ref=world.app)) is None
        assert await world.store.read(LoadApplication(organization="org_other", ref="customer")) is None

    check(stores, story)
