"""A disk whose power fails: what was written and not synced may be gone, in part, or torn.

SQLite runs on it as on any other: reads and writes go through to real files. Beside them the disk keeps what of each
file has been synced, and every write since. When the power fails, the surviving image is what was synced and any of the
later writes: whole, or only some of their sectors, or with rubbish where the file had grown. A file's name survives once its
directory was synced: by SQLite at the first sync of a log or journal that it made, and where it asks for that at a deletion.
"""

import os
import random
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NoReturn

import apsw

CUT = 17
"""The exit status of a process whose power failed."""
SYNC_SECONDS = 0.003
"""A sync takes up to so long: time enough for an answer that does not wait for it."""
SECTORS = (512, 4096)
KEPT = apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL
NEW_SYNCED = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL
"""Files whose making is synced with their first sync."""

Step = Literal["any", "sync", "database"]


class _File:
    """`synced`: its bytes on the disk; `later`: writes since (place and bytes), and cuts (length, None), in order."""

    def __init__(self, synced: bytes, *, named: bool) -> None:
        self.synced, self.named = bytearray(synced), named
        self.later: list[tuple[int, bytes | None]] = []

    def sync(self) -> None:
        for place, data in self.later:
            _apply(self.synced, place, data)
        self.later.clear()

    def surviving(self, chance: random.Random) -> bytes:
        """What is found when the power is back."""
        image, share, sector = bytearray(self.synced), chance.choice((0.0, 0.5, 0.9, 1.0)), chance.choice(SECTORS)
        torn, rubbish = chance.random() < 0.5, chance.random() < 0.3
        for place, data in self.later:
            if data is None or not torn:
                if chance.random() < share:
                    _apply(image, place, data)
                continue
            for start, piece in _sectors(place, data, sector):
                if chance.random() < share:
                    _apply(image, start, piece)
                elif rubbish and start >= len(self.synced):
                    _apply(image, start, chance.randbytes(len(piece)))
        return bytes(image)


class FailingDisk(apsw.VFS):
    """Under a name, for `Opening`. `fail_after` says when; then the image is in `image`, and the process is gone."""

    def __init__(self, name: str, folder: Path, image: Path, chance: random.Random) -> None:
        self.image, self._chance = image, chance
        self._files = {str(path): _File(path.read_bytes(), named=True) for path in folder.iterdir()}
        self._deleted: dict[str, _File] = {}
        self._step: Step | None = None
        self._left = 0
        self.lock = threading.RLock()
        super().__init__(name, "")

    def fail_after(self, steps: int, kind: Step) -> None:
        """At so many more writes and syncs: any, only syncs, or any of the database file itself (a checkpoint's)."""
        self._step, self._left = kind, steps

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        if path is None or not flags[0] & KEPT:
            return apsw.VFSFile("", name, flags)
        with self.lock:
            file = self._files.setdefault(path, _File(b"", named=False))
        return _Passing(self, file, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        self.step(database=False, sync=False)
        super().xDelete(filename, syncdir)
        with self.lock:
            if (file := self._files.pop(filename, None)) is not None and file.named:
                self._deleted[filename] = file
            if syncdir:
                self.sync_names()

    def sync_names(self) -> None:
        with self.lock:
            self._deleted.clear()
            for file in self._files.values():
                file.named = True

    def step(self, *, database: bool, sync: bool) -> None:
        with self.lock:
            counted = {"any": True, "sync": sync, "database": database}
            if self._step is None or not counted[self._step]:
                return
            self._left -= 1
            if self._left <= 0:
                self._fail()

    def _fail(self) -> NoReturn:
        self.image.mkdir()
        for path, file in self._deleted.items():
            if path not in self._files and self._chance.random() < 0.5:
                (self.image / Path(path).name).write_bytes(file.surviving(self._chance))
        for path, file in self._files.items():
            if file.named or self._chance.random() < 0.5:
                (self.image / Path(path).name).write_bytes(file.surviving(self._chance))
        os._exit(CUT)

    def wait(self) -> None:
        """As long as the disk takes to sync."""
        with self.lock:
            seconds = self._chance.random() * SYNC_SECONDS
        time.sleep(seconds)


class _Passing(apsw.VFSFile):
    def __init__(self, disk: FailingDisk, file: _File, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._disk, self._file = disk, file
        self._database = bool(flags[0] & apsw.SQLITE_OPEN_MAIN_DB)
        self._new = bool(flags[0] & NEW_SYNCED) and not file.named
        super().__init__("", name, flags)

    def xWrite(self, data: Any, offset: int) -> None:
        with self._disk.lock:
            self._file.later.append((offset, bytes(data)))
            self._disk.step(database=self._database, sync=False)
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:
        with self._disk.lock:
            self._file.later.append((newsize, None))
            self._disk.step(database=self._database, sync=False)
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:
        self._disk.wait()
        with self._disk.lock:
            self._disk.step(database=self._database, sync=True)
            self._file.sync()
            if self._new:
                self._new = False
                self._disk.sync_names()


def _apply(image: bytearray, place: int, data: bytes | None) -> None:
    if len(image) < place:
        image.extend(bytes(place - len(image)))
    if data is None:
        del image[place:]
    else:
        image[place : place + len(data)] = data


def _sectors(place: int, data: bytes, size: int) -> list[tuple[int, bytes]]:
    """A write in pieces that lie in one sector each."""
    bounds = [place, *range(place - place % size + size, place + len(data), size), place + len(data)]
    return [(start, data[start - place : end - place]) for start, end in pairwise(bounds)]
