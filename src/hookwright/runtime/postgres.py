"""A PostgreSQL database as commands need it, without an engine: looking, bringing up to date, opening.

What stands in the way of a database is said with the setting that names it, and without its password.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

from hookwright.clock import SystemClock
from hookwright.config import Settings
from hookwright.errors import StoreRefused
from hookwright.store import Store
from hookwright.stores.postgres import examination
from hookwright.stores.postgres.examination import Content, Examination, Node
from hookwright.stores.postgres.servers import Server
from hookwright.stores.postgres.store import open_store
from hookwright.stores.sql.steps import Standing

__all__ = ["Content", "Examination", "Node", "Server", "contract", "examine", "migrate", "nodes_at_work", "open_database", "standing"]


@asynccontextmanager
async def open_database(settings: Settings, *, serving: bool = False) -> AsyncIterator[Store]:
    """Its schema is brought up to date. Raises StoreRefused."""
    opened = open_store(
        settings.database, pooled=settings.database_pooled, lease_ms=round(settings.lease * 1000), ready=serving, now=SystemClock().now()
    )
    async with AsyncExitStack() as stack:
        with _named(settings):  # what is refused later, within the block, is another's
            store = await stack.enter_async_context(opened)
        yield store


async def examine(settings: Settings) -> Examination:
    """Raises StoreRefused, Unreadable."""
    with _named(settings):
        return await examination.examine(settings.database, pooled=settings.database_pooled)


async def nodes_at_work(settings: Settings) -> int:
    """Raises StoreRefused."""
    with _named(settings):
        return await examination.nodes_at_work(settings.database, round(settings.lease * 1000), pooled=settings.database_pooled)


async def standing(settings: Settings) -> Standing:
    """How far the schema is. Raises StoreRefused."""
    with _named(settings):
        return await examination.standing(settings.database, pooled=settings.database_pooled)


async def migrate(settings: Settings) -> list[str]:
    """Carry out what is pending; the names of the steps. Raises StoreRefused."""
    with _named(settings):
        return await examination.migrate(settings.database, pooled=settings.database_pooled)


async def contract(settings: Settings) -> list[str]:
    """Carry out what waits; the names of the steps. Raises StoreRefused, also while an older release is at work."""
    with _named(settings):
        return await examination.contract(settings.database, round(settings.lease * 1000), pooled=settings.database_pooled)


@contextmanager
def _named(settings: Settings) -> Iterator[None]:
    try:
        yield
    except StoreRefused as error:
        raise StoreRefused(f"HOOKWRIGHT_DATABASE={settings.database_name}: {error}") from error
