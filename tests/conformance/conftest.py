"""One suite for every store: each test takes `stores`, and runs once per backend."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from hookwright.store import Store
from hookwright.stores.sqlite.store import open_store

OpenStore = Callable[[], AbstractAsyncContextManager[Store]]


@pytest.fixture(params=["sqlite"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> OpenStore:
    """Opens the store under test; opening it again finds what was committed before."""
    return lambda: open_store(tmp_path / "store.db")
