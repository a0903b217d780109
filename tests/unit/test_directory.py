"""The directory over a store that answers when the test says so."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, cast

import pytest

from hookwright.domain.applications import Application
from hookwright.domain.endpoints import Endpoint, EndpointRecord
from hookwright.engine.directory import Directory
from hookwright.engine.secrets import Secrets
from hookwright.errors import StoreUnavailable
from hookwright.store import Query, Store
from hookwright.store.endpoints import LoadApplication, LoadedApplication, LoadEndpoint
from hookwright.vault import Vault

ORG = "org"


class Reads:
    """Reads see what is there when they begin, and end when `gate` is open: the longest way round that a read may take."""

    def __init__(self) -> None:
        self.applications: dict[str, LoadedApplication] = {}
        self.begun: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.fault: Exception | None = None

    async def read(self, query: Query[Any]) -> Any:
        self.begun.append(query.ref if isinstance(query, LoadApplication) else cast(LoadEndpoint, query).id)
        found = self._answer(query)
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        return found

    def _answer(self, query: Query[Any]) -> Any:
        if isinstance(query, LoadApplication):
            matching = (one for one in self.applications.values() if query.ref in (one.application.id, one.application.uid))
            return next(matching, None)
        wanted = cast(LoadEndpoint, query).id
        found = (one for loaded in self.applications.values() for one in loaded.endpoints if one.id == wanted)
        return next((EndpointRecord(one, ()) for one in found), None)

    def make(self, ident: str, *, uid: str | None = None, endpoints: int = 0, url: str = "https://example.com/") -> LoadedApplication:
        """An application, or a change of one: its endpoints are `<ident>.0` and so on."""
        application = Application(id=ident, organization=ORG, name="a", uid=uid, created_at=1, updated_at=1)
        made = tuple(
            Endpoint(id=f"{ident}.{number}", application=ident, organization=ORG, url=url, created_at=1, updated_at=1)
            for number in range(endpoints)
        )
        self.applications[ident] = LoadedApplication(application=application, endpoints=made)
        return self.applications[ident]


def check(story: Callable[[Reads, Directory], Awaitable[None]], **bounds: int) -> None:
    async def run() -> None:
        reads = Reads()
        secrets = Secrets(Vault({"k1": bytes(32)}, "k1", bytes))
        await story(reads, Directory(cast(Store, reads), secrets, **bounds))

    asyncio.run(run())


async def begin(call: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
    """The call, up to where it waits."""
    task = asyncio.get_running_loop().create_task(call)
    for _ in range(5):
        await asyncio.sleep(0)
    return task


def test_an_application_is_read_once_however_it_is_named() -> None:
    async def story(reads: Reads, directory: Directory) -> None:
        reads.make("app_a", uid="customer")
        first = await directory.application(ORG, "customer")
        assert await directory.application(ORG, "app_a") is first
        assert reads.begun == ["customer"]

    check(story)


def test_an_application_is_not_known_to_another_organization() -> None:
    async def story(reads: Reads, directory: Directory) -> None:
        reads.make("app_a")
        await directory.application(ORG, "app_a")
        await directory.application("org_other", "app_a")
        assert reads.begun == ["app_a", "app_a"]

    check(story)


def test_those_who_want_the_same_at_once_share_one_read() -> None:
    async def story(reads: Reads, directory: Directory) -> None:
        made = reads.make("app_a", endpoints=1)
        answers = await asyncio.gather(*(directory.application(ORG, "app_a") for _ in range(50)))
        targets = await asyncio.gather(*(directory.target("app_a.0") for _ in range(50)))
        assert all(answer is made for answer in answers)
        assert len({id(target) for target in targets}) == 1
        assert reads.begun == ["app_a", "app_a.0"]

    check(story)


def test_a_read_goes_on_for_the_others_when_the_first_who_wanted_it_is_cancelled() -> None:
    async def story(reads: Reads, directory: Directory) -> None:
        made = reads.make("app_a")
        reads.gate.clear()
        first, second = await begin(directory.application(ORG, "app_a")), await begin(directory.application(ORG, "app_a"))
        first.cancel()
        await asyncio.wait([first])
        reads.gate.set()
        assert await second is made
        assert (first.cancelled(), reads.begun) == (True, ["app_a"])

    check(story)


def test_a_fault_reaches_all_who_wait_and_is_not_remembered() -> None:
    async def story(reads: Reads, directory: Directory) -> None:
        made = reads.make("app_a")
        reads.gate.clear()
        waiting = [await begin(directory.application(ORG, "app_a")) for _ in range(3)]
        reads.fault = StoreUnavailable("no")
        reads.gate.set()
        assert [type(one) for one in await asyncio.gather(*waiting, return_exceptions=True)] == [StoreUnavailable] * 3
        reads.fault = None
        assert await directory.application(ORG, "app_a") is made

    check(story)


def test_what_changed_while_it_was_read_is_not_kept() -> None:
    async def story(reads: Reads, directory: Directory) -> None:
        old = reads.make("app_a")
        reads.gate.clear()
        asked = await begin(directory.application(ORG, "app_a"))
        new = reads.make("app_a", endpoints=1)
        directory.forget("app_a")
        reads.gate.set()
        assert await asked is old  # asked before the change
        assert await directory.application(ORG, "app_a") is new

    check(story)


def test_who_asks_after_a_change_is_not_answered_by_a_read_that_began_before_it() -> None:
    async def story(reads: Reads, directory: Directory) -> None:
        reads.make("app_a", uid="customer")
        reads.gate.clear()
        before = await begin(directory.application(ORG, "customer"))
        new = reads.make("app_a", uid="customer", endpoints=1)
        directory.forget("app_a")
        after = [await begin(directory.application(ORG, "customer")) for _ in range(3)]
        reads.gate.set()
        await before
        assert all(answer is new for answer in await asyncio.gather(*after))
        assert len(reads.begun) == 2

    check(story)


def test_who_asks_after_an_application_was_made_finds_it_although_a_read_before_did_not() -> None:
    async def story(reads: Reads, directory: Directory) -> None:
        reads.gate.clear()
        before = await begin(directory.application(ORG, "customer"))
        made = reads.make("app_a", uid="customer")
        after = await begin(directory.application(ORG, "customer"))
        reads.gate.set()
        assert (await before, await after) == (None, made)

    check(story)


def test_a_change_of_another_application_does_not_keep_a_read_from_being_kept() -> None:
    async def story(reads: Reads, directory: Directory) -> None:
        made = reads.make("app_a")
        reads.gate.clear()
        asked = await begin(directory.application(ORG, "app_a"))
        directory.forget("app_b")
        late = await begin(directory.application(ORG, "app_a"))
        reads.gate.set()
        assert (await asked, await late, await directory.application(ORG, "app_a")) == (made, made, made)
        assert reads.begun == ["app_a"]

    check(story)


def test_an_endpoint_that_changed_while_it_was_read_is_read_again_for_all_who_wait() -> None:
    async def story(reads: Reads, directory: Directory) -> None:
        reads.make("app_a", endpoints=1, url="https://old.example/")
        reads.gate.clear()
        asked = [await begin(directory.target("app_a.0")) for _ in range(3)]
        reads.make("app_a", endpoints=1, url="https://new.example/")
        directory.forget("app_a")
        reads.gate.set()
        targets = await asyncio.gather(*asked)
        assert {target.endpoint.url for target in targets} == {"https://new.example/"}
        assert len(reads.begun) == 2

    check(story)


def test_an_endpoint_that_does_not_exist_is_none() -> None:
    async def story(reads: Reads, directory: Directory) -> None:
        assert await directory.target("app_a.0") is None

    check(story)


def test_forgetting_an_application_drops_its_endpoints_and_no_others() -> None:
    async def story(reads: Reads, directory: Directory) -> None:
        for ident in ("app_a", "app_b"):
            reads.make(ident, endpoints=2)
            for number in range(2):
                await directory.target(f"{ident}.{number}")
        directory.forget("app_a")
        known = [directory.known_target(f"{ident}.{number}") is not None for ident in ("app_a", "app_b") for number in range(2)]
        assert known == [False, False, True, True]

    check(story)


def test_a_uid_that_moved_names_its_new_application() -> None:
    async def story(reads: Reads, directory: Directory) -> None:
        reads.make("app_a", uid="customer")
        await directory.application(ORG, "app_a")
        reads.make("app_a", uid="other")
        directory.forget("app_a")
        new = reads.make("app_b", uid="customer")
        assert await directory.application(ORG, "customer") is new

    check(story)


@pytest.mark.parametrize(
    ("bounds", "endpoints", "kept"),
    [
        ({"most_applications": 2}, 0, ["app_0", "app_2"]),
        ({"most_endpoints": 20}, 10, ["app_0", "app_2"]),
        ({"most_endpoints": 5}, 10, ["app_2"]),  # the last one is kept however many it has
    ],
)
def test_the_least_recently_used_applications_go_when_there_are_too_many_of_them_or_of_their_endpoints(
    bounds: dict[str, int], endpoints: int, kept: list[str]
) -> None:
    async def story(reads: Reads, directory: Directory) -> None:
        for number in (0, 1, 0, 2):
            reads.make(f"app_{number}", uid=f"customer-{number}", endpoints=endpoints)
            await directory.application(ORG, f"app_{number}")
        reads.begun.clear()
        for ident in kept:
            await directory.application(ORG, ident)
        assert reads.begun == []
        gone = next(f"customer-{number}" for number in range(3) if f"app_{number}" not in kept)
        await directory.application(ORG, gone)
        assert reads.begun == [gone]

    check(story, **bounds)


def test_what_was_forgotten_takes_no_room() -> None:
    async def story(reads: Reads, directory: Directory) -> None:
        reads.make("app_a", endpoints=10)
        reads.make("app_b", endpoints=10)
        await directory.application(ORG, "app_b")
        for _ in range(5):
            await directory.application(ORG, "app_a")
            directory.forget("app_a")
        reads.begun.clear()
        await directory.application(ORG, "app_b")
        assert reads.begun == []

    check(story, most_endpoints=20)


def test_the_least_recently_used_endpoints_go_first() -> None:
    async def story(reads: Reads, directory: Directory) -> None:
        reads.make("app_a", endpoints=3)
        for number in (0, 1, 0, 2):
            await directory.target(f"app_a.{number}")
        assert [directory.known_target(f"app_a.{number}") is not None for number in range(3)] == [True, False, True]
        directory.forget("app_a")
        assert [directory.known_target(f"app_a.{number}") for number in range(3)] == [None, None, None]

    check(story, most_targets=2)
