"""What the faces (API, command line) work with: one value that holds the engine's parts."""

import msgspec

from hookwright.clock import Clock
from hookwright.engine.changes import Changes
from hookwright.engine.directory import Directory
from hookwright.engine.handshakes import Handshakes
from hookwright.engine.herald import Deliverer
from hookwright.engine.ingest import Ingest
from hookwright.engine.news import Follower
from hookwright.engine.replays import Replays
from hookwright.engine.secrets import Secrets
from hookwright.engine.shaping import Shaper
from hookwright.ids import Minter
from hookwright.store import Store


class Services(msgspec.Struct, frozen=True, kw_only=True):
    store: Store
    clock: Clock
    minter: Minter
    secrets: Secrets
    directory: Directory
    changes: Changes
    ingest: Ingest
    dispatcher: Deliverer
    replays: Replays
    shaper: Shaper
    news: Follower
    handshakes: Handshakes
