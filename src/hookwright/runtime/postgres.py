"""A PostgreSQL database as commands need it, without an engine: looking, bringing up to date, opening.

What stands in the way of a database is said with the setting that names it, and without its password.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

from hookwright.clock import SystemClock
from hookwright.config import Settings
from hookwright.errors import ConfigurationError, StoreRefused
from hookwright.store import Store
from hookwright.stores.postgres import examination
from hookwright.stores.postgres.examination import Content, Examination, Node
from hookwright.stores.postgres.servers import Server
from hookwright.stores.postgres.store import open_store

__all__ = ["Content", "Examination", "Node", "Server", "examine", "migrate", "nodes_at_work", "open_database", "pending_steps"]


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Store]:
    """Its schema is brought up to date. Raises ConfigurationError."""
    opened = open_store(settings.database, pooled=settings.database_pooled, now=SystemClock().now())
    async with AsyncExitStack() as stack:
        with _named(settings):  # what is refused later, within the block, is another's
            store = await stack.enter_async_context(opened)
        yield store


async def examine(settings: Settings) -> Examination:
    """Raises ConfigurationError, Unreadable."""
    with _named(settings):
        return await examination.examine(settings.database, pooled=settings.database_pooled)


async def nodes_at_work(settings: Settings) -> int:
    """Raises ConfigurationError."""
    with _named(settings):
        return await examination.nodes_at_work(settings.database, round(settings.lease * 1000), pooled=settings.database_pooled)


async def pending_steps(settings: Settings) -> tuple[int, tuple[str, ...]]:
    """The schema's version, and the steps to the newest. Raises ConfigurationError."""
    with _named(settings):
        return await examination.pending_steps(settings.database, pooled=settings.database_pooled)


async def migrate(settings: Settings) -> None:
    """Raises ConfigurationError."""
    with _named(settings):
        await examination.bring_up_to_date(settings.database, pooled=settings.database_pooled)


@contextmanager
def _named(settings: Settings) -> Iterator[None]:
    try:
        yield
    except StoreRefused as error:
        raise ConfigurationError(f"HOOKWRIGHT_DATABASE={settings.database_name}: {error}") from error
