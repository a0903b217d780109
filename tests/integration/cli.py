"""The command line as users run it: a process of its own, with nothing of the tests' environment in its settings."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from tests.harness import SECRET, Server, ServerProcess

PYTHON = (sys.executable, "-m", "hookwright")


class Run(msgspec.Struct, frozen=True):
    status: int
    out: str
    err: str

    @property
    def value(self) -> Any:
        """What `--json` printed."""
        return json.loads(self.out)


def environment(**settings: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HOOKWRIGHT_")}
    return inherited | {f"HOOKWRIGHT_{name.upper()}": value for name, value in settings.items()}


def hookwright(folder: Path, *arguments: str, stdin: bytes = b"", **settings: str) -> Run:
    """Run one command in `folder`; `settings` become HOOKWRIGHT_* variables."""
    done = subprocess.run([*PYTHON, *arguments], cwd=folder, env=environment(**settings), input=stdin, capture_output=True, timeout=60)
    run = Run(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert "Traceback" not in run.out + run.err, run.err
    return run


def beside(server: Server | ServerProcess, *arguments: str, stdin: bytes = b"", **settings: str) -> Run:
    """Run one command in the folder of a running server, configured as the server is."""
    known = {"port": str(server.port), "jwt_secret": SECRET} | settings
    return hookwright(server.database.parent, *arguments, stdin=stdin, **known)
