"""What is said of all tests: which files begin first where several processes share them (`make test`)."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A file is one process's, for what its tests share: whoever took a long one last would keep all others waiting."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
