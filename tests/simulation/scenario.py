"""What callers and people do, all by the seed; and what must be true in the end."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import apsw
import msgspec

from hookwright.domain.applications import Application
from hookwright.domain.deliveries import Key, State
from hookwright.domain.endpoints import Endpoint, EndpointRecord, Options, SealedSecret
from hookwright.domain.messages import Content
from hookwright.domain.tasks import Kind, Selection, TaskState
from hookwright.engine.ingest import NewMessage
from hookwright.engine.services import Services
from hookwright.errors import CallerError, Conflict, StoreUnavailable
from hookwright.store import Once, Remembered
from hookwright.store.applications import CreateApplication
from hookwright.store.endpoints import CreateEndpoint, DeleteEndpoint, FindEndpoint, UpdateEndpoint
from hookwright.store.messages import Created, ExpungeContent
from hookwright.store.tasks import NextSlice
from hookwright.store.transformations import ChangeTransformation
from tests.dispatchers import dispatcher_of
from tests.simulation.loop import START, VirtualLoop
from tests.simulation.model import Ended, Violation
from tests.simulation.world import LARGEST_BODY, World

APPLICATIONS = {"app_a": ("org_a", ("ep_a1", "ep_a2", "ep_a3")), "app_b": ("org_b", ("ep_b1", "ep_b2"))}
URLS = [f"http://receiver/{endpoint}" for _, endpoints in APPLICATIONS.values() for endpoint in endpoints]
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PAUSES, SKIPS = Options(ordered=True), Options(ordered=True, on_exhausted="skip")
ORDERED = {"ep_a1": PAUSES, "ep_b1": PAUSES, "ep_b2": SKIPS}
SCRIPTED = frozenset({"ep_a1", "ep_a2", "ep_b1"})
STEPS = 40
QUIET_SECONDS = 300


class Scenario:
    def __init__(self, world: World, options: dict[str, Options], scripted: frozenset[str]) -> None:
        """`options` of some endpoints; those that have a transformation."""
        self._options, self._scripted = options, scripted
        self._world, self._rand, self._model = world, world.rand, world.model
        self._tokens = self._tasks = 0
        self.acknowledged: dict[str, str] = {}
        self._keys: dict[bytes, str] = {}
        self._sent_to: dict[str, str] = {}
        self._requests: set[asyncio.Task[None]] = set()
        self._actions: list[tuple[Callable[[], Awaitable[None]], float]] = [
            (self._message, 12), (self._burst, 2), (self._repeated, 3), (self._with_event_id, 3), (self._resend, 3), (self._send_again, 1),
            (self._toggle, 2), (self._delete, 0.3), (self._expunge, 0.5), (self._cancel, 0.5), (self._crash, 0.7), (self._zombie, 0.7),
            (self._restart, 0.5), (self._fill_disk, 0.7),
        ]  # fmt: skip

    async def run(self) -> None:
        weather, self._world.weather = self._world.weather, False
        await self._ask(self._set_up)
        self._world.weather = weather
        for _ in range(STEPS):
            (action,) = self._rand.choices([action for action, _ in self._actions], [weight for _, weight in self._actions])
            request = asyncio.ensure_future(action())
            self._requests.add(request)
            request.add_done_callback(self._requests.discard)
            await asyncio.sleep(self._rand.choice((0.0, 0.0, 0.001, 0.05, 1.0, 4.0)))
            if self._world.node is not None:
                self._world.node.check_bounds()
        await self._settle_down()

    async def _settle_down(self) -> None:
        """The weather turns fine, receivers recover, endpoints are enabled: now everything must arrive."""
        world = self._world
        world.weather, world.full_until, world.receivers.healed = False, 0.0, True
        while self._requests:
            await asyncio.wait(self._requests)
        for _ in range(QUIET_SECONDS):
            await world.up()
            for place in list(self._model.places.values()):
                if place.disabled and not place.deleted:
                    await self._set_disabled(place.id, False)
            if not self._model.live and await self._at_rest():
                break
            await asyncio.sleep(1)
        self._model.check(not self._model.live, f"P3: never delivered: {list(self._model.live.values())[:3]}")
        self._model.check(await self._at_rest(), "P6: nothing is left to do, but memory is held")
        await world.end()
        self._compare()

    async def _at_rest(self) -> bool:
        dispatcher = dispatcher_of((await self._world.up()).services)
        if dispatcher._room.held or dispatcher._room.held_bytes or dispatcher._attempts or dispatcher._settler.waiting:
            return False
        return await self._ask(lambda services: services.store.read(NextSlice())) is None

    # What callers do

    async def _ask(self, work: Callable[[Services], Awaitable[Any]]) -> Any:
        """The answer, or None if there was none; a caller's mistake is an answer."""
        node = await self._world.up()
        with suppress(asyncio.CancelledError, StoreUnavailable):
            return await node.call(work)
        return None

    async def _set_up(self, services: Services) -> None:
        for app, (organization, endpoints) in APPLICATIONS.items():
            application = Application(id=app, organization=organization, name=app, created_at=START, updated_at=START)
            await services.changes.apply(CreateApplication(application=application), application=app)
            for ident in endpoints:
                endpoint = Endpoint(
                    id=ident, application=app, organization=organization, url=f"http://receiver/{ident}", created_at=START,
                    updated_at=START, options=self._options.get(ident, Options()),
                )  # fmt: skip
                secret = SealedSecret(services.secrets.seal_secret(ident, SECRET), START)
                await services.changes.apply(CreateEndpoint(record=EndpointRecord(endpoint, (secret,)), most=10), application=app)
                if ident in self._scripted:
                    change = ChangeTransformation(application=app, endpoint=ident, code="a script", enabled=True, now=START)
                    await services.changes.apply(change, application=app, endpoint=ident)

    async def _accept(self, event_id: str | None = None, key: bytes | None = None) -> Created | Remembered | CallerError | None:
        app = "app_a" if event_id or key else self._rand.choice(tuple(APPLICATIONS))
        self._tokens += 1
        body = f'{{"token": {self._tokens}}}'.ljust(self._rand.choice((20, 20, 20, LARGEST_BODY))).encode()
        new = NewMessage(event_type="user.created", content=Content(body), event_id=event_id)
        once = None if key is None else Once(
            key=key, fingerprint=b"same", remember=_answer, now=self._world.clock.now(), expires_at=self._world.clock.now() + 86_400_000
        )  # fmt: skip

        async def work(services: Services) -> Created | Remembered | CallerError:
            loaded = await services.directory.application(APPLICATIONS[app][0], app)
            assert loaded is not None
            try:
                return await services.ingest.accept(loaded, new, once)
            except CallerError as error:
                return error

        answer: Created | Remembered | CallerError | None = await self._ask(work)
        if isinstance(answer, Created):
            ident = answer.message.id
            self._model.check(ident in self._model.messages, f"P1: {ident} was acknowledged before it was committed")
            self.acknowledged[ident] = app
        return answer

    async def _message(self) -> None:
        await self._accept()

    async def _burst(self) -> None:
        await asyncio.gather(*(self._accept() for _ in range(12)))

    async def _repeated(self) -> None:
        key = self._rand.choice((b"1", b"2", b"3"))
        answers = await asyncio.gather(*(self._accept(key=key) for _ in range(self._rand.choice((1, 2)))))
        for answer in answers:
            if isinstance(answer, Created | Remembered):
                ident = _answer(answer).decode() if isinstance(answer, Created) else answer.answer.decode()
                self._model.check(ident in self._model.messages, "an idempotency key answers with a message that does not exist")
                self._model.check(self._keys.setdefault(key, ident) == ident, f"idempotency key {key!r} made two messages")

    async def _with_event_id(self) -> None:
        event_id = self._rand.choice(("e1", "e2", "e3", "e4"))
        if isinstance(await self._accept(event_id=event_id), Conflict):
            self._model.check(("app_a", event_id) in self._model.event_ids, f"{event_id} was refused as taken, and is not")

    async def _resend(self) -> None:
        if self.acknowledged:
            message = self._rand.choice(list(self.acknowledged))
            app = self.acknowledged[message]
            endpoint = self._rand.choice(APPLICATIONS[app][1])
            with suppress(CallerError):
                await self._ask(lambda services: services.replays.resend(app, endpoint, message))

    async def _send_again(self) -> None:
        app = self._rand.choice(tuple(APPLICATIONS))
        endpoint, until = self._rand.choice(APPLICATIONS[app][1]), self._world.clock.now() + 1
        self._tasks += 1
        kind = tuple(Kind)[self._tasks % len(Kind)]
        with suppress(CallerError):
            wanted = Selection(since=START, until=until, state=State.FAIL if kind is Kind.RECOVER else None)
            await self._ask(lambda services: services.replays.start(kind, app, endpoint, wanted))

    async def _toggle(self) -> None:
        place = self._rand.choice(list(self._model.places.values()))
        await self._set_disabled(place.id, not place.disabled)

    async def _set_disabled(self, endpoint: str, disabled: bool) -> None:
        app = _application_of(endpoint)

        async def work(services: Services) -> None:
            found = await services.store.read(FindEndpoint(application=app, ref=endpoint))
            if found is not None:
                changed = msgspec.structs.replace(found, disabled_reason="manual" if disabled else None)
                with suppress(CallerError):
                    await services.changes.apply(UpdateEndpoint(endpoint=changed, expected=found), application=app, endpoint=endpoint)

        await self._ask(work)

    async def _delete(self) -> None:
        endpoint = self._rand.choice(list(self._model.places))
        command = DeleteEndpoint(application=_application_of(endpoint), ref=endpoint, now=self._world.clock.now())
        with suppress(CallerError):
            await self._ask(lambda services: services.changes.apply(command, application=command.application, endpoint=endpoint))

    async def _expunge(self) -> None:
        if self.acknowledged:
            message = self._rand.choice(list(self.acknowledged))
            command = ExpungeContent(application=self.acknowledged[message], message=message, now=self._world.clock.now())
            await self._ask(
                lambda services: services.store.write(command, on_commit=lambda _: services.dispatcher.message_expunged(message))
            )

    async def _cancel(self) -> None:
        if self.acknowledged:
            message, now = self._rand.choice(list(self.acknowledged)), self._world.clock.now()
            await self._ask(lambda services: services.changes.cancel_message(self.acknowledged[message], message, now))

    # What fate does

    async def _crash(self) -> None:
        if not self._world.calm:
            self._world.crash()

    async def _zombie(self) -> None:
        if not self._world.calm:
            self._world.replace_node()

    async def _restart(self) -> None:
        await self._world.stop_node()

    async def _fill_disk(self) -> None:
        if not self._world.calm:
            self._world.full_until = asyncio.get_running_loop().time() + self._rand.choice((0.5, 3.0, 15.0))

    # What the file holds in the end

    def _compare(self) -> None:
        model, check = self._model, self._model.check
        db = apsw.Connection(str(self._world.path))
        rows = {
            Key(endpoint, message, round): Ended(State(state), attempts)
            for endpoint, message, round, state, attempts in db.execute("select endpoint, message, round, state, attempts from outcomes")
        }
        check(db.execute("select count(*) from deliveries").get == 0, "P2: live rows that nobody knows of")
        check(rows == model.ended, f"P2: outcomes differ: {set(rows.items()) ^ set(model.ended.items())}")
        stored = set(db.execute("select id from messages").fetchall())
        check(all((message,) in stored for message in self.acknowledged), "P1: an acknowledged message is not in the file")
        check(stored == {(message,) for message in model.messages}, "P1: messages differ")
        tried = {Key(*row[:3]): row[3] for row in db.execute("select endpoint, message, round, count(*) from attempts group by 1, 2, 3")}
        check(tried == {key: count for key, count in model.attempts.items() if count}, "attempts differ from what was settled")
        self._compare_counters(db, rows)
        self._compare_tasks(db)
        self._compare_requests()
        db.close()

    def _compare_tasks(self, db: apsw.Connection) -> None:
        for ident, state in db.execute("select id, state from tasks"):
            if state == TaskState.FINISHED:
                self._model.check_task(ident)

    def _compare_counters(self, db: apsw.Connection, rows: dict[Key, Ended]) -> None:
        best: dict[tuple[str, str], int] = {}
        order = (State.SUCCESS, State.FAIL, State.CANCELED)
        for key, ended in rows.items():
            pair = (key.endpoint, key.message)
            best[pair] = min(best.get(pair, 2), order.index(ended.state))
        counted: list[Any] = db.execute("select success, fail, canceled from counters").fetchall()
        sums = tuple(sum(row[column] for row in counted) for column in range(3))
        expected = tuple(sum(rank == wanted for rank in best.values()) for wanted in range(3))
        self._model.check(sums == expected, f"counters say {sums}, outcomes {expected}")

    def _compare_requests(self) -> None:
        model = self._model
        reached = {(sent.url.rpartition("/")[2], sent.webhook_id) for sent in self._world.receivers.sent}
        for sent in self._world.receivers.sent:
            model.check(model.messages.get(sent.webhook_id) == sent.body, "P5: a body was sent under another message's id")
        for key, ended in model.ended.items():
            model.check(ended.state is not State.SUCCESS or (key.endpoint, key.message) in reached, f"{key} succeeded without a request")
            model.check(
                ended.state is not State.CANCELED or model.places[key.endpoint].deleted or key.message in model.expunged | model.canceled,
                f"P2: {key} was canceled without a reason",
            )


def _answer(created: Created) -> bytes:
    return created.message.id.encode()


def _application_of(endpoint: str) -> str:
    return next(app for app, (_, endpoints) in APPLICATIONS.items() if endpoint in endpoints)


@contextmanager
def memory_folder() -> Iterator[Path]:
    """A folder whose files need no disk, where the system has one: what is synced is not what is tested here."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        yield Path(folder)


def simulate(seed: int, *, ordered: bool = False, scripted: bool = False) -> int:
    """One whole story, in which some endpoints are ordered, or have a transformation, or none; how many requests were sent in it.

    Raises Violation.
    """
    loop = VirtualLoop()
    try:
        with memory_folder() as folder:
            scenes = ORDERED if ordered else {}, SCRIPTED if scripted else frozenset[str]()
            return loop.run_until_complete(_simulate(loop, seed, folder / "store.db", *scenes))
    finally:
        loop.close()


async def _simulate(loop: VirtualLoop, seed: int, path: Path, options: dict[str, Options], scripted: frozenset[str]) -> int:
    world = World(loop, seed, path, URLS)
    with world.model.watching():
        story = asyncio.ensure_future(Scenario(world, options, scripted).run())
        try:
            await asyncio.wait([story, world.broken], return_when=asyncio.FIRST_COMPLETED)
            if world.broken.done():
                world.broken.result()
            story.result()
        except Violation as violation:
            raise Violation(f"seed {seed}, after {loop.time():.3f} s: {violation}") from violation
        finally:
            await world.bury()
    return len(world.receivers.sent)
