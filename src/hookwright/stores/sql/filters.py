"""A filter on messages as statements take it: values that are null where nothing is asked for."""

import msgspec

from hookwright.store.messages import MessageFilter


def filter_values(wanted: MessageFilter) -> dict[str, str | None]:
    """`event_types` is a JSON array, `channel` a JSON text: its place in a stored array of them is found by its quotes."""
    types, channel = wanted.event_types, wanted.channel
    return {
        "event_types": None if types is None else msgspec.json.encode(sorted(types)).decode(),
        "channel": None if channel is None else msgspec.json.encode(channel).decode(),
    }


def narrows(wanted: MessageFilter) -> bool:
    """Whether it asks for more than a range of time, which is a range of ids."""
    return wanted.event_types is not None or wanted.channel is not None
