"""What PostgreSQL and the way to it can refuse, as errors of the store."""

import errno
import os
import socket

import asyncpg

from hookwright.errors import StoreRefused, StoreUnavailable

LOST = (
    asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.OperatorInterventionError, asyncpg.ReadOnlySQLTransactionError,
    OSError, TimeoutError,
)  # fmt: skip
"""The connection is of no use any more, or the server is going: what was under way may or may not have been committed."""
PASSING = (
    asyncpg.InsufficientResourcesError, asyncpg.PostgresSystemError, asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError, asyncpg.TransactionRollbackError, asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError, asyncpg.InternalClientError,
)  # fmt: skip
"""The server said no, to this transaction: nothing of it was kept."""
AGAIN = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
"""It lost against another transaction, and may win if it is tried again."""


REFUSALS = (
    *LOST, *PASSING, asyncpg.InsufficientPrivilegeError, asyncpg.DuplicateTableError, asyncpg.InvalidSchemaNameError,
    asyncpg.ProtocolViolationError,
)  # fmt: skip
"""Met while opening: somebody has to mend the database, the way to it, or what was said about it."""


def refusal(error: BaseException) -> StoreRefused:
    """In one line, as `reason` has it."""
    match error:
        case asyncpg.DuplicateTableError():
            return StoreRefused(f"{reason(error)}, of another program: give Hookwright a database or a schema of its own")
        case asyncpg.InsufficientPrivilegeError():
            return StoreRefused(
                f"{reason(error)}: the user must own the database, or may create in its schema (grant create on schema ...)"
            )
        case asyncpg.PostgresError() | asyncpg.InternalClientError() | asyncpg.ClientConfigurationError():
            return StoreRefused(reason(error))
    return StoreRefused(f"cannot reach the database: {reason(error)}")


def reason(error: BaseException) -> str:
    """The cause in one line that names no secret."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    text = str(error).strip()
    if isinstance(error, ConnectionRefusedError):
        text = os.strerror(errno.ECONNREFUSED)
    elif isinstance(error, socket.gaierror):
        text = f"its host cannot be looked up ({error.strerror})"
    return text.splitlines()[0] if text else type(error).__name__


def unavailable(error: BaseException) -> StoreUnavailable:
    found = StoreUnavailable(f"the database cannot be used now: {reason(error)}")
    found.__cause__ = error
    return found
