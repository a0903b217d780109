"""What `doctor` looks at: one function per question, each an answer with a level and what to do.

`fail` means that it does not work, or that data is at stake; `warn` that it is unsafe, slow or will run out; `ok` that
there is nothing to do. Nothing here changes anything: the disk is measured with a file of its own beside the database.
"""

import asyncio
import os
import resource
import shutil
import socket
import stat
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from hookwright import keyfile
from hookwright.config import SHORTEST_SOUND_SECRET, Settings, is_loopback
from hookwright.engine.seals import Survey
from hookwright.errors import ConfigurationError
from hookwright.runtime.database import Standing
from hookwright.runtime.keys import misfit
from hookwright.runtime.sandbox import try_sandbox
from hookwright.vault import Vault

Level = Literal["ok", "warn", "fail"]
MIB, GIB = 2**20, 2**30
LEAST_FREE, LITTLE_FREE = 256 * MIB, 2 * GIB
LARGE_WAL = 256 * MIB
SLOW_SYNC_MS, IMPLAUSIBLE_SYNC_MS = 20.0, 0.02
SYNCS = 21
PROXY_SECONDS = 5.0
NEWEST_SOUND_SQLITE = (3, 44, 0)
EARLIEST_NOW = 1_767_225_600_000
"""2026-01-01, Unix ms: this program did not exist before."""
NETWORK_FILESYSTEMS = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "gluster", "lustre", "fuse.sshfs", "fuse.s3fs")


class Check(msgspec.Struct, frozen=True):
    """`advice` says what to do; empty when there is nothing to do."""

    name: str
    level: Level
    found: str
    advice: str = ""


def check_settings(settings: Settings) -> Iterator[Check]:
    """What was opened that is closed by default."""
    switches = settings.unsafe_switches()
    for switch in switches:
        what, _, advice = switch.partition(": ")
        yield Check("settings", "warn", what, advice)
    if not switches:
        yield Check("settings", "ok", "no unsafe switch is on")
    if not settings.https_only and not is_loopback(settings.host):
        advice = "set HOOKWRIGHT_HTTPS_ONLY=true: over plain http anybody on the way reads the payloads"
        yield Check("plain http", "warn", "endpoints with plain http URLs are accepted", advice)
    yield from check_proxy(settings)
    yield check_transformations(settings)


def check_proxy(settings: Settings) -> Iterator[Check]:
    """Whether the forward proxy, if there is to be one, takes connections; what it lets through is for it to say."""
    proxy = settings.proxy()
    if proxy is None:
        return
    try:
        socket.create_connection((proxy.host, proxy.port), PROXY_SECONDS).close()
    except OSError as error:
        advice = "nothing is delivered until it can be (docs/egress.md)"
        yield Check("proxy", "fail", f"{proxy.host}:{proxy.port} cannot be reached: {error.strerror or error}", advice)
    else:
        yield Check("proxy", "ok", f"{proxy.host}:{proxy.port} takes connections")


def check_transformations(settings: Settings) -> Check:
    """Whether customers' scripts can be run here, in a process apart."""
    if not settings.transformation_workers:
        return Check("transformations", "ok", "turned off (HOOKWRIGHT_TRANSFORMATION_WORKERS)")
    problem = asyncio.run(try_sandbox(settings))
    if problem is not None:
        advice = "deliveries to endpoints that have one wait until they can be run (docs/transformations.md)"
        return Check("transformations", "fail", problem, advice)
    return Check("transformations", "ok", "a script was run, in a process apart")


def lacks_key_file(settings: Settings) -> bool:
    """Whether a key file is needed and not there: right before the first start, a loss if the database holds data."""
    configured = settings.jwt_secret is not None and settings.encryption_keys is not None
    return not configured and not settings.key_file.exists()


def check_schema(found: Standing) -> Check:
    if found.pending:
        advice = "`hookwright migrate` brings it up to date; so does the next start"
        return Check("schema", "warn", f"{found.version} of {max(found.version, found.newest)}", advice)
    if found.version > found.newest:
        return Check("schema", "ok", f"{found.version}, of a newer release; this one works with it")
    waiting = f"; {len(found.waiting)} to take away what only older releases needed (`hookwright migrate --contract`)"
    return Check("schema", "ok", f"{found.version}, the newest" if not found.waiting else f"{found.version}{waiting}")


def check_secrets(settings: Settings, *, holds_data: bool = False) -> Check:
    """Whether the secrets are there, private and long enough. `holds_data`: the database has something sealed with them."""
    secret = settings.jwt_secret
    if secret is not None and len(secret.get_secret_value().encode()) < SHORTEST_SOUND_SECRET:
        advice = f"use {SHORTEST_SOUND_SECRET} random bytes or more: openssl rand -base64 32"
        return Check("secrets", "warn", f"HOOKWRIGHT_JWT_SECRET has {len(secret.get_secret_value().encode())} bytes", advice)
    if secret is not None and settings.encryption_keys is not None:
        return Check("secrets", "ok", "configured")
    path = settings.key_file.absolute()
    if not path.exists():
        if not holds_data:
            return Check("secrets", "ok", "will be made at the first start")
        return Check(
            "secrets", "fail", f"the key file {path} is gone", "restore it from a backup: without it stored secrets cannot be opened"
        )
    try:
        keyfile.open_or_create(path)
    except ConfigurationError as error:
        return Check("secrets", "fail", str(error), "")
    mode = stat.S_IMODE(path.stat().st_mode)
    return Check("secrets", "ok", f"{path} (mode {mode:04o})", "")


def check_seals(settings: Settings, found: Survey, vault: Vault) -> Check:
    """Whether all that lies sealed opens, and under which keys it is."""
    total, shut = found.found.total(), found.shut.total()
    if found.lost:
        return Check("seals", "fail", f"{shut} of {total} do not open: {misfit(found, settings, vault)}", "do so before the next start")
    if shut:
        return Check("seals", "fail", f"{shut} of {total} are damaged and do not open", "restore a backup (docs/operating.md)")
    others = ", ".join(kid for kid in vault.ids if kid != vault.current)
    if total > found.found[vault.current]:
        counts = ", ".join(f"{count} under {kid}" for kid, count in sorted(found.found.items()))
        advice = f"when no old key is to stay: `hookwright reseal` puts all under {vault.current} (docs/security.md)"
        return Check("seals", "warn", f"{counts}; {vault.current} is the newest key", advice)
    if not total:
        return Check("seals", "ok", "nothing is sealed yet")
    return Check("seals", "ok", f"all {total} open, under {vault.current}" + (f"; nothing needs {others}" if others else ""))


def check_folder(path: Path) -> Check:
    """Whether the database's folder is there, writable and on a disk of this machine."""
    folder = path.parent
    if not folder.is_dir():
        return Check("folder", "fail", f"there is no folder {folder}", f"mkdir -p {folder}")
    if not os.access(folder, os.W_OK | os.X_OK) or (path.exists() and not os.access(path, os.W_OK)):
        return Check("folder", "fail", f"this user cannot write {path}", "mind who owns the file and its folder")
    kind = filesystem_of(folder, Path("/proc/self/mountinfo"))
    if kind.startswith(NETWORK_FILESYSTEMS):
        return Check(
            "folder", "fail", f"{folder} is on a network filesystem ({kind})", "move it to a local disk: locks and syncs lie there"
        )
    if kind in ("tmpfs", "ramfs"):
        return Check("folder", "warn", f"{folder} is in memory ({kind})", "move it to a disk: a restart of this machine loses all of it")
    return Check("folder", "ok", f"{folder}" + (f" ({kind})" if kind else ""))


def filesystem_of(folder: Path, mounts: Path) -> str:
    """The kind of filesystem that `folder` is on, from Linux's mountinfo (proc(5)); empty if it cannot be told."""
    best, kind = "", ""
    where = str(folder.resolve())
    try:
        lines = mounts.read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        left, _, right = line.partition(" - ")
        fields = left.split()
        if len(fields) < 5 or not right:
            continue
        point = fields[4].replace("\\040", " ")
        if (where == point or where.startswith(point.rstrip("/") + "/")) and len(point) >= len(best):
            best, kind = point, right.split()[0]
    return kind


def check_disk(folder: Path) -> Check:
    """Free space, for this user."""
    free = shutil.disk_usage(folder).free
    shown = f"{size(free)} free"
    if free < LEAST_FREE:
        return Check("disk", "fail", shown, "make room now: on a full disk nothing is accepted (nothing acknowledged is lost)")
    if free < LITTLE_FREE:
        return Check("disk", "warn", shown, "make room, or keep payloads shorter (payloadRetentionPeriod of a message)")
    return Check("disk", "ok", shown)


def check_sync(folder: Path) -> Check:
    """How long this disk takes to make 4 KiB durable: the ground under every acknowledgement."""
    taken = []
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            for _ in range(SYNCS):
                file.write(b"\0" * 4096)
                file.flush()
                begun = time.perf_counter()
                os.fsync(file.fileno())
                taken.append((time.perf_counter() - begun) * 1000)
    except OSError as error:
        return Check("sync", "fail", f"cannot write in {folder}: {error.strerror}", "make room, or mind who owns the folder")
    median = statistics.median(taken)
    shown = f"{median:.2f} ms to make 4 KiB durable (median of {SYNCS})"
    if median > SLOW_SYNC_MS:
        return Check("sync", "warn", shown, "a faster disk accepts more: each acknowledgement waits for one such sync")
    if median < IMPLAUSIBLE_SYNC_MS:
        return Check("sync", "warn", shown, "too fast to be true: in memory, or a disk that does not sync; a power cut may lose messages")
    return Check("sync", "ok", shown)


def check_sizes(path: Path) -> Iterator[Check]:
    """The database file and its log, by what the filesystem says."""
    if not path.exists():
        yield Check("database", "ok", f"{path} does not exist yet", "`hookwright serve` makes it")
        return
    yield Check("database", "ok", f"{path}, {size(path.stat().st_size)}")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        advice = f"it holds payloads; unless a group is meant to read them: chmod 600 {path}*"
        yield Check("privacy", "warn", f"{path} is open to other users (mode {mode:04o})", advice)
    real = path.resolve()
    log = real.with_name(real.name + "-wal")
    grown = log.stat().st_size if log.exists() else 0
    if grown > LARGE_WAL:
        yield Check("log", "warn", f"{log.name} has {size(grown)}", "it shrinks when readers let go; a restart writes it back")
    else:
        yield Check("log", "ok", f"{size(grown)} not yet written back")


def check_files(settings: Settings) -> Check:
    """Whether the system grants the open files that the settings may need."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.open_files
    if hard != resource.RLIM_INFINITY and hard < wanted:
        advice = "raise it (LimitNOFILE= in systemd, ulimit -Hn), or lower HOOKWRIGHT_MAX_CONNECTIONS and HOOKWRIGHT_CONCURRENCY"
        return Check("open files", "warn", f"{hard} are granted, {wanted} may be needed", advice)
    return Check("open files", "ok", f"{wanted} may be needed, {'any number' if hard == resource.RLIM_INFINITY else hard} granted")


def check_clock(now: int, other: int | None) -> Check:
    """Against another moment (Unix ms) that cannot be in the future, such as the newest message's. `now` is Unix ms."""
    if now < EARLIEST_NOW:
        return Check(
            "clock", "fail", "this machine's clock is years behind", "set it (chrony, systemd-timesyncd): receivers refuse old timestamps"
        )
    if other is not None and other > now + 5000:
        return Check(
            "clock", "fail", f"what was written last is {(other - now) / 1000:.0f} s in the future", "set the clock; it was set back"
        )
    return Check("clock", "ok", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now / 1000)))


def check_sqlite(version: str) -> Check:
    if tuple(int(part) for part in version.split(".")[:3]) < NEWEST_SOUND_SQLITE:
        return Check("SQLite", "fail", version, "install a newer apsw")
    return Check("SQLite", "ok", version)


def check_backlog(live: int, held: int, late_ms: int | None, disabled: int) -> Iterator[Check]:
    """`late_ms`: for how long the oldest delivery that is not held has been due; None or less than 0: it is not due."""
    shown = f"{live} deliveries under way or waiting, {held} of them held"
    if late_ms is not None and late_ms > 60_000:
        yield Check("backlog", "warn", f"{shown}; the oldest is {late_ms // 1000} s late", "no server runs, or it cannot keep up")
    else:
        yield Check("backlog", "ok", shown)
    if disabled:
        advice = "their deliveries are held; enable or delete them (they were disabled by hand, or answered 410)"
        yield Check("endpoints", "warn", f"{disabled} are disabled", advice)
    else:
        yield Check("endpoints", "ok", "none is disabled")


def size(count: int) -> str:
    if count >= GIB:
        return f"{count / GIB:.1f} GiB"
    return f"{count / MIB:.1f} MiB" if count >= MIB else f"{count / 1024:.0f} KiB"
