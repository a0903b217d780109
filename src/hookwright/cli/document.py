"""docs/cli.md, from the commands themselves: `scripts/write_cli_document.py` writes it; a test compares the two."""

import inspect
from collections.abc import Iterator
from typing import Any

import typer

_HEAD = """# Command line

Written by `scripts/write_cli_document.py` from `src/hookwright/cli`; a test compares the two.

- **Results** are on standard output, everything else on standard error. `--json` prints one JSON document and nothing beside it.
- **Exit status**: 0 done; 1 it could not be done, with the cause in one line (for `doctor`, `verify`, `demo` and `send --wait`: the
  answer is no); 2 the command or a setting was wrong; 130 after Ctrl-C.
- **The program** is `.venv/bin/hookwright` after `make serve`; `. .venv/bin/activate` makes it plain `hookwright`, as it is written here.
- **Settings** are environment variables ([settings.md](settings.md)); commands read the same ones as `serve`.
- **Which database**: `--database`, else `HOOKWRIGHT_DATABASE`, else `hookwright.db` in the current folder. The file has one
  owner. While a server has it, a command asks that server, at the configured host and port or at `--url`, with a token that it
  makes from the installation's secret (valid for 60 seconds) or with `--token`. While nobody has it, the command opens it.
- **Errors** are one line. `hookwright --debug ...` or `HOOKWRIGHT_DEBUG=1` shows where one came from.

```sh
hookwright token create --name billing --scope message:write --expires 90d --quiet   # for a producer that only sends
hookwright send acme invoice.paid --payload '{"id": "in_1"}' --wait                  # and see what the endpoints answer
hookwright send acme invoice.paid --payload @event.json --json                       # in a script
pbpaste | hookwright verify --secret whsec_...                                       # why does this webhook not verify?
hookwright doctor --strict --json                                                    # in a deployment's checks
```
"""


def cli_document() -> str:
    """The whole document."""
    from hookwright.cli.app import app

    root: Any = typer.main.get_command(app)
    return _HEAD + "".join(_command(path, command) for path, command in commands(root))


def commands(root: Any) -> Iterator[tuple[str, Any]]:
    """Every command with its full name, groups resolved."""
    for name, command in root.commands.items():
        if hasattr(command, "commands"):
            yield from ((f"{name} {inner}", each) for inner, each in commands(command))
        else:
            yield name, command


def parameters(command: Any) -> Iterator[tuple[str, str, str]]:
    """What is documented of each parameter: how it is written, its default, its meaning."""
    for parameter in command.params:
        if getattr(parameter, "hidden", False):
            continue
        if parameter.param_type_name == "argument":
            yield parameter.metavar, "", _text(parameter.help)
        else:
            metavar = "" if parameter.is_flag else f" {parameter.metavar}"
            shown = parameter.default not in (None, False) and parameter.default != () and not callable(parameter.default)
            default = f"`{parameter.default}`" if shown and not parameter.required else "required" if parameter.required else ""
            yield ", ".join(parameter.opts) + metavar, default, _text(parameter.help)


def _command(path: str, command: Any) -> str:
    arguments = " ".join(each.metavar for each in command.params if each.param_type_name == "argument")
    rows = [f"| `{written.replace('|', chr(92) + '|')}` | {default} | {meaning} |" for written, default, meaning in parameters(command)]
    usage = f"hookwright {path}" + (f" {arguments}" if arguments else "") + " [OPTIONS]"
    head = f"\n## {path}\n\n`{usage}`\n\n{inspect.cleandoc(command.help)}\n\n"
    return head + "| | default | |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def _text(help: str | None) -> str:
    return (help or "").replace("|", "\\|")
