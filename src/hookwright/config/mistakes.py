"""What is said about settings that cannot be right: the option, the value it had, what would be right. Never a secret."""

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

PREFIX = "HOOKWRIGHT_"
OF_COMMANDS = frozenset({"URL", "TOKEN", "DEBUG"})
"""Variables that commands read themselves, without the prefix."""
SECRETS = frozenset({"jwt_secret", "encryption_keys", "egress_proxy"})
_SERVICE_LINK = re.compile(r"(.+_)?SERVICE_(HOST|PORT)(_.+)?|(.+_)?PORT_\d+_(TCP|UDP|SCTP)(_.+)?", re.ASCII)
"""What Kubernetes sets in every pod for a service whose name begins with ours."""


def unknown_variables(environment: Mapping[str, str], options: Iterable[str]) -> list[str]:
    """A line for each variable with our prefix that nothing reads: most likely mistyped, and its default would hold unnoticed."""
    names = [name.upper() for name in options] + sorted(OF_COMMANDS)
    found = []
    for variable, value in environment.items():
        name = variable.upper().removeprefix(PREFIX)
        linked = _SERVICE_LINK.fullmatch(name) or (name.endswith("_PORT") and "://" in value)
        if variable.upper().startswith(PREFIX) and value and name not in names and not linked:
            found.append(f"{variable}: there is no such setting{_nearest(name, names, PREFIX)}")  # its value may be a secret
    return found


def _nearest(name: str, names: Iterable[str], prefix: str = "") -> str:
    nearest = difflib.get_close_matches(name, names, n=1)
    return f"; is {prefix}{nearest[0]} meant?" if nearest else "; see docs/settings.md"


def explain(mistake: Any, options: Collection[str]) -> str:
    """One line about one of pydantic's errors."""
    what = str(mistake["msg"]).removeprefix("Value error, ")
    if not mistake["loc"]:
        return what
    name = str(mistake["loc"][0])
    if name not in options:
        return f"{name}: there is no such option{_nearest(name, options)}"
    shown = "(hidden)" if name in SECRETS else _shown(name, mistake["input"])
    return f"{PREFIX}{name.upper()}={shown}: {what[0].lower()}{what[1:]}"


def _shown(name: str, value: object) -> str:
    text = str(value)
    return text if name != "database" or text.startswith("sqlite:") else _without_password(text)


def _without_password(url: str) -> str:
    """Of an address that may be mistyped: only what cannot be a part of a password is shown."""
    scheme, _, rest = url.partition(":")
    user, at, place = rest.removeprefix("//").rpartition("@")
    if "?" in user:
        return f"{scheme}://(hidden)"
    return f"{scheme}://{'(hidden)@' if at else ''}{place.partition('?')[0]}"
