"""What the system is told before a script runs, beside its limits. Of a worker, and as `worker` it knows nothing of this program.

Duty: a child whose engine was broken by its script computes, writes its answer, and can do nothing else. Limits keep it from
opening files and beginning processes; they do not keep it from its user's other processes, which may be the server itself: to
be signalled, traced, or read. So the system is given the few calls that memory, time, and the pipe need, and refuses all others.

All of it is for Linux, and for the two processors whose numbers of calls stand here; elsewhere, and where the system does not
let it be, the limits alone hold.
"""

import contextlib
import os
import platform
import signal
import struct
import sys
from array import array
from pathlib import Path
from typing import Any

CALLS = {
    "x86_64": (
        0xC000_003E,
        {
            "read": 0, "write": 1, "close": 3, "mmap": 9, "mprotect": 10, "munmap": 11, "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14,
            "rt_sigreturn": 15, "sched_yield": 24, "mremap": 25, "madvise": 28, "exit": 60, "gettimeofday": 96, "getrusage": 98,
            "time": 201, "futex": 202, "clock_gettime": 228, "clock_getres": 229, "exit_group": 231, "getrandom": 318, "rseq": 334,
        },
    ),
    "aarch64": (
        0xC000_00B7,
        {
            "read": 63, "write": 64, "close": 57, "mmap": 222, "mprotect": 226, "munmap": 215, "brk": 214, "rt_sigaction": 134,
            "rt_sigprocmask": 135, "rt_sigreturn": 139, "sched_yield": 124, "mremap": 216, "madvise": 233, "exit": 93,
            "gettimeofday": 169, "getrusage": 165, "futex": 98, "clock_gettime": 113, "clock_getres": 114, "exit_group": 94,
            "getrandom": 278, "rseq": 293,
        },
    ),
}  # fmt: skip
"""AUDIT_ARCH_* of <linux/audit.h>, and the calls that are let through, by their numbers in <asm/unistd.h>."""
STEP = 8
"""Bytes of struct sock_filter."""
LOAD, IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, REFUSE = 0x7FFF_0000, 0x0005_0001
"""SECCOMP_RET_ALLOW, and SECCOMP_RET_ERRNO with EPERM, of <linux/seccomp.h>."""
ARCHITECTURE, NUMBER = 4, 0
"""Where they stand in struct seccomp_data."""
PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 1, 22, 38, 2
NEW_NETWORK = 0x4000_0000
"""CLONE_NEWNET of <sched.h>."""
NOBODY = 65_534


def program(machine: str) -> bytes | None:
    """A filter of calls for the kernel (struct sock_filter, each 8 bytes); None where nobody knows their numbers."""
    known = CALLS.get(machine)
    if known is None:
        return None
    architecture, calls = known
    count = len(calls)
    steps = [(LOAD, 0, 0, ARCHITECTURE), (IF_EQUAL, 0, count + 1, architecture), (LOAD, 0, 0, NUMBER)]
    steps += [(IF_EQUAL, count - place, 0, number) for place, number in enumerate(calls.values())]
    steps += [(RETURN, 0, 0, REFUSE), (RETURN, 0, 0, ALLOW)]
    return b"".join(struct.pack("HBBI", *step) for step in steps)


class Fence:
    """Once, for a worker and all its children to come: gives up what rights it has; then `shut` closes a child in, for good."""

    def __init__(self) -> None:
        _first_to_go()
        self._libc = _libc()
        if os.geteuid() == 0:
            if self._libc is not None:
                self._libc.unshare(NEW_NETWORK)  # in a container it may not be allowed: no socket is to be had all the same
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        self._control(PR_SET_NO_NEW_PRIVS, 1)
        wide = sys.maxsize > 2**32  # the numbers are those of programs of 64 bits
        self._steps = array("B", (program(platform.machine()) if wide else None) or b"")
        self._rules = array("B", struct.pack("HP", len(self._steps) // STEP, self._steps.buffer_info()[0]))  # struct sock_fprog

    def shut(self) -> None:
        """Its parent's end is its own, and of the system it can call nothing but what is in the table."""
        self._control(PR_SET_PDEATHSIG, signal.SIGKILL)
        self._control(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, self._rules.buffer_info()[0])

    def _control(self, what: int, *given: int) -> None:
        """prctl(2). A system that does not know it, or does not let it be, refuses: the limits hold without it."""
        if self._libc is not None:
            self._libc.prctl(what, *(*given, 0, 0, 0)[:4])


def _first_to_go() -> None:
    """Where memory runs out, the system is to take a script, and never the server."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")


def _libc() -> Any:
    """None where this is not Linux, or where Python is not let at it: some systems allow no memory that is both written and run."""
    if sys.platform != "linux":
        return None
    try:
        import ctypes

        libc = ctypes.CDLL(None)
    except (ImportError, MemoryError, OSError):
        return None
    libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
    return libc
