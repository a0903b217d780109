"""Loaded by schemathesis: what it generates is aimed at things that exist, and never at another machine.

`CONTRACT_SEEDS` is JSON: `path` maps path parameters to values (none: leave them as generated), `url` is a receiver.
"""

import json
import os
from typing import Any
from urllib.parse import urlsplit

import schemathesis
from schemathesis import Case, HookContext

SEEDS = json.loads(os.environ["CONTRACT_SEEDS"])
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@schemathesis.hook
def before_call(_: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    for name, value in SEEDS["path"].items():
        if name in (case.path_parameters or {}):
            case.path_parameters[name] = value
    if isinstance(case.body, dict) and is_elsewhere(case.body.get("url")):
        case.body = case.body | {"url": SEEDS["url"]}


def is_elsewhere(url: object) -> bool:
    try:
        return isinstance(url, str) and urlsplit(url).hostname not in (None, *LOOPBACK)
    except ValueError:
        return False
