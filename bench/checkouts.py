"""Commits of this project, each as a tree of its own that a server can be started from."""

import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement

from bench.world import ROOT


class UnknownCommit(Exception):
    """Its text is for the person who named it."""


class Tree(NamedTuple):
    """`name`: for people; `python`: an interpreter that has what this tree depends on."""

    name: str
    folder: Path
    python: str

    @property
    def environment(self) -> dict[str, str]:
        """Makes that interpreter take `hookwright` from this tree."""
        return {"PYTHONPATH": str(self.folder / "src")}


def identify(commit: str) -> str:
    """Its full hash. Raises UnknownCommit."""
    found = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^{{commit}}", check=False)
    if not found:
        raise UnknownCommit(f"{commit!r} is no commit of this repository; `git log --oneline` lists what is")
    return found


def uncommitted() -> bool:
    """Whether tracked files differ from HEAD."""
    return bool(_git("status", "--porcelain", "--untracked-files=no"))


@contextmanager
def checked_out(commit: str) -> Iterator[Tree]:
    """A worktree of its own, gone at the end. Raises UnknownCommit."""
    ident = identify(commit)
    with tempfile.TemporaryDirectory(prefix="bench-tree-") as place:
        folder = Path(place) / "tree"
        _git("worktree", "add", "--quiet", "--detach", str(folder), ident)
        try:
            name = f"{commit} ({_git('log', '-1', '--format=%h %s', ident)})"
            yield Tree(name, folder, _python(folder, Path(place) / "venv"))
        finally:
            _git("worktree", "remove", "--force", str(folder))


def working_tree() -> Tree:
    """What stands in the files now, committed or not."""
    return Tree("the working tree", ROOT, sys.executable)


def missing(requirements: Sequence[str]) -> list[str]:
    """Those that this interpreter's packages do not meet."""
    return [each for each in requirements if not _met(Requirement(each))]


def _met(requirement: Requirement) -> bool:
    if requirement.marker is not None and not requirement.marker.evaluate():
        return True
    try:
        return requirement.specifier.contains(metadata.version(requirement.name), prereleases=True)
    except metadata.PackageNotFoundError:
        return False


def _python(tree: Path, venv: Path) -> str:
    """This interpreter if it will do, so that both sides run on the same packages; else one of the tree's own."""
    requirements = tomllib.loads((tree / "pyproject.toml").read_text())["project"]["dependencies"]
    if not missing(requirements):
        return sys.executable
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    subprocess.run([venv / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", *requirements], check=True)
    return str(venv / "bin" / "python")


def _git(*arguments: str, check: bool = True) -> str:
    # What a hook or an outer git has set would point at another repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(["git", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()
