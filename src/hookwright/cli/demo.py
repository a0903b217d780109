"""`hookwright demo`: the whole of it in a few seconds, on this machine, with nothing to set up."""

from typing import Annotated

import typer

from hookwright.cli.console import Json


def demo(
    events: Annotated[int, typer.Option(min=1, max=10_000, metavar="N", help="How many events to send.")] = 100,
    as_json: Json = False,
) -> None:
    """Start a server and three receivers (healthy, refusing some at first, slow), send events, and check what arrives.

    Everything is on free ports of this machine and in a temporary folder, which is removed at the end. The exit status
    is 0 only if every event arrived everywhere, unchanged and with a signature that verifies.
    """
    import uvloop

    from hookwright.cli.demo_run import run
    from hookwright.telemetry import configure_logs

    configure_logs("error", "auto")
    raise typer.Exit(0 if uvloop.run(run(events, as_json)) else 1)
