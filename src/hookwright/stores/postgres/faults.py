"""What PostgreSQL and the way to it can refuse, as errors of the store."""

import asyncpg

from hookwright.errors import StoreUnavailable

LOST = (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.OperatorInterventionError, OSError, TimeoutError)
"""The connection is of no use any more, or the server is going: what was under way may or may not have been committed."""
PASSING = (
    asyncpg.InsufficientResourcesError, asyncpg.PostgresSystemError, asyncpg.ReadOnlySQLTransactionError, asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError, asyncpg.TransactionRollbackError, asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError, asyncpg.InternalClientError,
)  # fmt: skip
"""The server said no, to this transaction: nothing of it was kept."""
AGAIN = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
"""It lost against another transaction, and may win if it is tried again."""


def unavailable(error: BaseException) -> StoreUnavailable:
    """With a cause that fits in one line and names no secret."""
    cause = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    found = StoreUnavailable(f"the database cannot be used now: {cause}")
    found.__cause__ = error
    return found
