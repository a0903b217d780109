"""The command line: `hookwright --help`."""

from hookwright.cli.app import main

__all__ = ["main"]
