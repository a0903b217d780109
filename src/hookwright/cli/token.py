"""`hookwright token`: API keys, made and ended by the server that has the SQLite file, or in the database itself."""

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from hookwright.cli import arguments, console
from hookwright.cli.console import Json, note, say, say_json

if TYPE_CHECKING:
    from hookwright.cli.client import Client
    from hookwright.cli.installation import Installation
    from hookwright.domain.credentials import ApiKey
    from hookwright.store import Store

R = TypeVar("R")
app = typer.Typer(name="token", help="Make, list and revoke API keys.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Option(metavar="NAME", help="What it is for, shown in lists.")] = "unnamed",
    scope: Annotated[
        list[str] | None, typer.Option(metavar="SCOPE", help="What it may do, repeatable, like message:write; everything if left out.")
    ] = None,
    expires: Annotated[str | None, typer.Option(metavar="WHEN", help="90d, 12h, or a time with a zone; never if left out.")] = None,
    organization: arguments.Organization = arguments.THE_ORGANIZATION,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the token and nothing else.")] = False,
    as_json: Json = False,
    database: arguments.Database = None,
    url: arguments.Url = None,
    token: arguments.Token = None,
) -> None:
    """Make an API key. It is shown once; only a digest of it is kept."""
    from hookwright.cli.installation import check_new
    from hookwright.domain.names import text_problem
    from hookwright.domain.tokens import unknown_scopes

    if problem := text_problem(name):
        raise typer.BadParameter(f"--name: {problem}")
    now = arguments.now_ms()
    expires_at = None if expires is None else arguments.read_expiry(expires, now)
    if expires_at is not None and expires_at <= now:
        raise typer.BadParameter(f"--expires {expires} is in the past")
    if unknown := unknown_scopes(scope or ()):
        raise typer.BadParameter(f"there is no scope {', '.join(unknown)}; there are {_all_scopes()}")
    installation = _installation(database, url, token, organization)
    if url is None:
        check_new(installation)

    def ask(client: "Client") -> dict[str, Any]:
        return _create_there(client, name, scope, expires_at)

    made = _either(installation, ask, lambda store: _create_here(store, installation, name, scope, expires_at))
    if as_json:
        say_json(made)
        return
    say(made["token"])
    if not quiet:
        note(f"\n{made['id']} ({made['name']}), {_until(made)}. It is shown only now: keep it like a password.")
        note(f"It may: {', '.join(made['scopes'])}")


@app.command("list")
def list_tokens(
    organization: arguments.Organization = arguments.THE_ORGANIZATION,
    as_json: Json = False,
    database: arguments.Database = None,
    url: arguments.Url = None,
    token: arguments.Token = None,
) -> None:
    """Show the API keys of an organization, newest first; never their secrets."""
    installation = _installation(database, url, token, organization)
    _refuse_missing(installation)
    keys = _either(installation, lambda client: client.get("auth", "api-key")["data"], lambda store: _list_here(store, organization))
    if as_json:
        say_json(keys)
    elif not keys:
        say("There are no API keys yet; `hookwright token create --name first` makes one.")
    else:
        rows = [(key["id"], key["name"], key["createdAt"], _until(key), _scopes(key["scopes"])) for key in keys]
        console.table(("id", "name", "created", "valid", "scopes"), rows)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id (key_...), as `token list` shows it.")],
    organization: arguments.Organization = arguments.THE_ORGANIZATION,
    database: arguments.Database = None,
    url: arguments.Url = None,
    token: arguments.Token = None,
) -> None:
    """End an API key at once and for good."""
    from hookwright.cli.client import Refused
    from hookwright.errors import NotFound
    from hookwright.ids import is_id

    if key_id.startswith("hw_"):
        raise typer.BadParameter("this is the token itself; its id (key_...) is needed, see `hookwright token list`")
    if not is_id(key_id, "key"):
        raise typer.BadParameter("this is not a key's id, which begins with key_; see `hookwright token list`")
    installation = _installation(database, url, token, organization)
    _refuse_missing(installation)

    async def here(store: "Store") -> None:
        from hookwright.store.organizations import RevokeApiKey

        await store.write(RevokeApiKey(organization=organization, id=key_id, now=arguments.now_ms()))

    def there(client: "Client") -> None:
        client.call("DELETE", "auth", "api-key", key_id)

    try:
        _either(installation, there, here)
    except (NotFound, Refused) as error:
        if error.status == 404:
            raise console.Failed(f"there is no key {key_id}; `hookwright token list` shows those there are") from error
        raise
    note(f"{key_id} is revoked.")


def _installation(database: str | None, url: str | None, token: str | None, organization: str) -> "Installation":
    from hookwright.cli.installation import Installation
    from hookwright.config import Settings

    return Installation(settings=Settings.load(database=database), url=url, token=token, organization=organization)


def _refuse_missing(installation: "Installation") -> None:
    if installation.url is None and installation.missing:
        raise console.Failed(f"there is no database {installation.path}; name it with --database, or its server with --url")


def _either(
    installation: "Installation",
    there: Callable[["Client"], R],
    here: Callable[["Store"], Coroutine[Any, Any, R]],
) -> R:
    """Ask the server if one is named or has the file, else do it in the database. Raises HookwrightError."""
    from hookwright.cli.installation import is_held
    from hookwright.errors import StoreRefused
    from hookwright.runtime.database import open_database
    from hookwright.telemetry import configure_logs

    async def alone() -> R:
        async with open_database(installation.settings) as store:
            return await here(store)

    if installation.url is None:
        configure_logs("error", "auto")
        try:
            return asyncio.run(alone())
        except StoreRefused as error:
            if not is_held(error):
                raise
    return there(installation.client())


def _create_there(client: "Client", name: str, scopes: list[str] | None, expires_at: int | None) -> dict[str, Any]:
    import json

    body: dict[str, Any] = {"name": name}
    if scopes:
        body["scopes"] = scopes
    if expires_at is not None:
        body["expiresAt"] = rfc3339(expires_at)
    made: dict[str, Any] = client.call("POST", "auth", "api-key", body=json.dumps(body).encode())
    return made


async def _create_here(
    store: "Store", installation: "Installation", name: str, scopes: list[str] | None, expires_at: int | None
) -> dict[str, Any]:
    from hookwright.domain.credentials import SCOPES
    from hookwright.engine.credentials import new_key
    from hookwright.ids import Minter
    from hookwright.runtime.keys import find_keys
    from hookwright.store.organizations import CreateApiKey, EnsureOrganization

    if not installation.settings.on_postgres:
        await find_keys(installation.settings, store)  # the key file is there before the first row is
    ident, now = Minter(secrets.token_bytes).mint_timed("key", arguments.now_ms())
    text, key = new_key(
        key_id=ident,
        organization=installation.organization,
        name=name,
        scopes=tuple(sorted(set(scopes or SCOPES))),
        entropy=secrets.token_bytes(32),
        now=now,
        expires_at=expires_at,
    )
    await store.write(EnsureOrganization(organization=installation.organization, now=now))
    return {**_shown(await store.write(CreateApiKey(key=key))), "token": text}


async def _list_here(store: "Store", organization: str) -> list[dict[str, Any]]:
    from hookwright.store.organizations import ListApiKeys

    return [_shown(key) for key in await store.read(ListApiKeys(organization=organization))]


def _shown(key: "ApiKey") -> dict[str, Any]:
    """As the API shows it."""
    return {
        "id": key.id,
        "name": key.name,
        "scopes": list(key.scopes),
        "createdAt": rfc3339(key.created_at),
        "expiresAt": None if key.expires_at is None else rfc3339(key.expires_at),
        "revokedAt": None if key.revoked_at is None else rfc3339(key.revoked_at),
    }


def rfc3339(at: int) -> str:
    """Unix ms as the API writes it (whose own function would load the API)."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _until(key: dict[str, Any]) -> str:
    if key["revokedAt"]:
        return f"revoked {key['revokedAt']}"
    return f"until {key['expiresAt']}" if key["expiresAt"] else "until revoked"


def _scopes(scopes: list[str]) -> str:
    from hookwright.domain.credentials import SCOPES

    return "everything" if set(scopes) >= SCOPES else ", ".join(scopes)


def _all_scopes() -> str:
    from hookwright.domain.credentials import SCOPES

    return ", ".join(sorted(SCOPES))
