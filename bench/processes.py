"""What /proc says of a process and all that it started."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time so far of a process, all its threads, and all its descendants, those that ended included."""
    return sum(sum(map(int, fields[11:15])) for fields in _stats(pid)) / TICKS


def thread_cpu_seconds(pid: int) -> float:
    """User and system time so far of a process's first thread alone."""
    return sum(map(int, _fields(Path(f"/proc/{pid}/task/{pid}/stat"))[11:13])) / TICKS


def memory_mib(pid: int, field: str) -> float:
    """Of a process and its descendants: `VmRSS` is resident now, `VmHWM` the most that each ever was."""
    size = 0
    for each in family(pid):
        with suppress(FileNotFoundError, ProcessLookupError):
            lines = Path(f"/proc/{each}/status").read_text().splitlines()
            size += next((int(line.split()[1]) for line in lines if line.startswith(field)), 0)
    return size / 1024


def forget_peak() -> None:
    """From here on `VmHWM` of this process is what it is from here on."""
    Path("/proc/self/clear_refs").write_text("5")


def family(pid: int) -> list[int]:
    """A process and its descendants, as of now."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            parents[int(folder.name)] = int(_fields(folder / "stat")[1])
    found = [pid]
    for each in found:  # it grows while it is gone through
        found += [child for child, parent in parents.items() if parent == each]
    return found


def _stats(pid: int) -> Iterator[list[str]]:
    for each in family(pid):
        with suppress(FileNotFoundError, ProcessLookupError):
            yield _fields(Path(f"/proc/{each}/stat"))


def _fields(stat: Path) -> list[str]:
    """Of a `stat` file, what comes after the name: state, parent, ..."""
    return stat.read_text().rsplit(")", 1)[1].split()
