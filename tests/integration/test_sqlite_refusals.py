"""What cannot be our database is refused at the start, with the reason, and is left as it was."""

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import apsw
import pytest

from hookwright.errors import StoreRefused
from hookwright.store.nodes import OpenNode
from hookwright.stores.sqlite import connections
from hookwright.stores.sqlite.connections import APPLICATION_ID, FileLock, known
from hookwright.stores.sqlite.store import open_store
from tests.conformance.makers import World
from tests.releases import next_release

NOBODY = 65534


def refusal(path: Path) -> str:
    async def run() -> str:
        with pytest.raises(StoreRefused) as refused:
            async with open_store(path):
                pass
        return str(refused.value)

    return asyncio.run(run())


def filled(path: Path, messages: int = 200) -> Path:
    """A database with something in it, closed."""

    async def run() -> None:
        async with open_store(path) as store:
            world = World(store)
            await world.application()
            endpoint = await world.endpoint()
            await asyncio.gather(*(world.message(endpoint, body=b"x" * 500) for _ in range(messages)))

    asyncio.run(run())
    return path


def opens(path: Path) -> bool:
    async def run() -> int:
        async with open_store(path) as store:
            return await store.write(OpenNode(now=1))

    return asyncio.run(run()) > 0


def test_a_file_that_is_not_there_is_made(tmp_path: Path) -> None:
    assert opens(tmp_path / "new.db")


def test_an_empty_file_is_taken_for_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    path.touch()
    assert opens(path)


def test_another_programs_database_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "foreign.db"
    foreign = sqlite3.connect(path)
    foreign.execute("create table theirs (a)")
    foreign.commit()
    foreign.close()
    before = path.read_bytes()
    assert "another program" in refusal(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("pragma", ["application_id = 7", "user_version = 1"])
def test_an_empty_database_that_another_program_marked_is_refused(tmp_path: Path, pragma: str) -> None:
    path = tmp_path / "foreign.db"
    foreign = sqlite3.connect(path)
    foreign.execute(f"pragma {pragma}")
    foreign.commit()
    foreign.close()
    assert "another program" in refusal(path)


@pytest.mark.parametrize("text", ["short", "a longer text, " * 1000])
def test_a_text_file_is_refused_and_left_as_it_was(tmp_path: Path, text: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(text)
    assert "not a SQLite database" in refusal(path)
    assert path.read_text() == text


def test_a_newer_schema_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = filled(tmp_path / "store.db", 1)
    connection = apsw.Connection(str(path))
    connection.execute("insert into hookwright_schema values (99, 'tomorrow', 'contract')")
    connection.close()
    assert "newer Hookwright" in refusal(path)


def test_a_schema_that_a_newer_release_only_expanded_is_taken(tmp_path: Path) -> None:
    path = filled(tmp_path / "store.db", 1)
    connection = apsw.Connection(str(path))
    connection.execute("insert into hookwright_schema values (99, 'tomorrow', 'expand')")
    connection.execute("pragma user_version = 99")
    connection.close()
    assert opens(path)


def test_an_upgrade_carries_out_both_halves_and_shuts_the_older_release_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = filled(tmp_path / "store.db", 1)
    with monkeypatch.context() as newer:
        newer.setattr(connections, "FOLDER", next_release(tmp_path, connections.FOLDER))
        assert opens(path)
    connection = apsw.Connection(str(path))
    assert connection.execute("select count(*) from hookwright_schema where version > 900").get == 2
    connection.close()
    assert "newer Hookwright" in refusal(path)


def test_opening_again_takes_no_step_twice(tmp_path: Path) -> None:
    path = filled(tmp_path / "store.db", 1)
    assert opens(path)
    connection = apsw.Connection(str(path))
    assert connection.execute("pragma user_version").get == len(known())
    assert connection.execute("pragma application_id").get == APPLICATION_ID


def test_a_file_with_flipped_bytes_in_a_page_is_refused(tmp_path: Path) -> None:
    path = filled(tmp_path / "store.db")
    content = bytearray(path.read_bytes())
    for page in range(1, len(content) // 4096):  # the header of every page but the first
        content[page * 4096 : page * 4096 + 8] = bytes(byte ^ 0xFF for byte in content[page * 4096 : page * 4096 + 8])
    path.write_bytes(content)
    assert "corrupt" in refusal(path)


def test_a_file_that_was_cut_is_refused(tmp_path: Path) -> None:
    path = filled(tmp_path / "store.db")
    os.truncate(path, path.stat().st_size // 2 // 4096 * 4096)
    assert "corrupt" in refusal(path)


def test_a_first_page_of_noise_is_refused(tmp_path: Path) -> None:
    path = filled(tmp_path / "store.db", 1)
    with path.open("r+b") as file:
        file.write(b"\xa5" * 100)
    assert "not a SQLite database" in refusal(path)


def test_who_has_the_file_for_a_moment_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        held = FileLock(tmp_path / "store.db")

        async def let_go() -> None:
            while "waiting up to 60 s" not in caplog.text:  # noqa: ASYNC110 (a line of a log is no event)
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.25)  # for another look or two
            held.release()

        waited = asyncio.create_task(let_go())
        async with open_store(tmp_path / "store.db", patience=60.0):
            await waited

    asyncio.run(run())
    assert caplog.text.count("in use by another process") == 1


def test_a_second_opening_in_this_process_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"

    async def run() -> None:
        async with open_store(path):
            with pytest.raises(StoreRefused, match=f"in use by another process \\(pid {os.getpid()}\\)"):
                async with open_store(path):
                    pass

    asyncio.run(run())
    assert opens(path)


_OPEN = """
import asyncio, sys
from pathlib import Path
from hookwright.errors import StoreRefused
from hookwright.stores.sqlite.store import open_store

async def run():
    try:
        async with open_store(Path(sys.argv[1])):
            print("opened", flush=True)
            sys.stdin.read()
    except StoreRefused as refused:
        print(refused, flush=True)

asyncio.run(run())
"""


def _other(path: Path) -> "subprocess.Popen[str]":
    """A process that opens the file, says what came of it, and holds it until its input ends."""
    return subprocess.Popen([sys.executable, "-c", _OPEN, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.mark.parametrize("linked", [False, True])
def test_a_second_process_is_refused_and_told_who_has_the_file(tmp_path: Path, linked: bool) -> None:
    """Also by another name of the same file: two owners would corrupt it."""
    path, name = tmp_path / "store.db", tmp_path / ("link.db" if linked else "store.db")
    if linked:
        name.symlink_to(path)
    with _other(path) as holder:
        assert _line(holder) == "opened\n"
        assert f"pid {holder.pid}" in refusal(name)
        with _other(name) as second:
            assert f"pid {holder.pid}" in _line(second)
            second.communicate()
        holder.communicate()
    assert opens(name)


def test_the_file_is_free_again_when_its_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with _other(path) as holder:
        assert _line(holder) == "opened\n"
        holder.kill()
    assert opens(path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "cannot create" in refusal(tmp_path / "missing" / "store.db")


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "Not a directory" in refusal(tmp_path / "file" / "store.db")


def test_a_folder_that_takes_no_files_is_refused() -> None:
    assert "cannot create" in refusal(Path("/proc/store.db"))


def test_a_folder_in_the_files_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store.db").mkdir()
    assert "cannot write" in refusal(tmp_path / "store.db")


def test_a_file_that_this_user_cannot_write_is_refused() -> None:
    """Root can write everything, so another user tries if we are root."""
    with tempfile.TemporaryDirectory() as folder:
        path = filled(Path(folder) / "store.db", 1)
        path.with_name("store.db.lock").unlink()
        path.chmod(0o444)
        Path(folder).chmod(0o777)
        assert "read-only" in _as_nobody(path)


def _as_nobody(path: Path) -> str:
    """The refusal that another user gets: in a forked child, for that user may not be able to start this Python."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setuid(NOBODY)
            os.write(writing, refusal(path).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return text


def modes_while_open(path: Path) -> dict[str, int]:
    """The mode of each file of a database that is in use and has been written."""

    async def run() -> dict[str, int]:
        async with open_store(path) as store:
            await store.write(OpenNode(now=1_790_000_000_000))
            return {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}

    return asyncio.run(run())


def test_a_new_database_and_its_log_are_for_this_user_alone(tmp_path: Path) -> None:
    modes = modes_while_open(tmp_path / "new.db")
    assert {"new.db", "new.db-wal", "new.db-shm"} <= set(modes)
    assert set(modes.values()) == {0o600}


def test_a_new_database_behind_a_link_is_for_this_user_alone(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link.db").symlink_to(tmp_path / "data" / "real.db")
    assert modes_while_open(tmp_path / "link.db")["link.db"] == 0o600


def test_a_database_that_exists_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    modes_while_open(path)
    path.chmod(0o640)
    assert modes_while_open(path)["old.db"] == 0o640
