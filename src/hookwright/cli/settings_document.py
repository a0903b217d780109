"""docs/settings.md, from the options themselves: `scripts/write_settings_document.py` writes it; a test compares the two."""

from hookwright.config import PREFIX, Settings

_HEAD = """# Settings

Written by `scripts/write_settings_document.py` from `src/hookwright/config`; a test compares the two.

Every option is an environment variable. The same options, in lower case and without the prefix, can stand in the TOML file that
`HOOKWRIGHT_CONFIG` names. A flag wins over the environment, the environment over the file, the file over the default. An empty
variable counts as absent. A value that cannot be right is refused at start, with the option's name, and so is a variable that begins
with `HOOKWRIGHT_` and that nothing reads: it was mistyped. Beside the settings there are `HOOKWRIGHT_URL`, `HOOKWRIGHT_TOKEN` and
`HOOKWRIGHT_DEBUG` for the [commands](cli.md). (What Kubernetes sets for a service called `hookwright-...` is passed over; one called
`hookwright` itself would set `HOOKWRIGHT_PORT`, so turn that off: `enableServiceLinks: false`.)

Secrets that are not configured are generated once into `<database file>.keys`, readable by its owner only. Keep that file with
your backups: without it the stored endpoint secrets cannot be opened. Listening beyond this machine needs `HOOKWRIGHT_JWT_SECRET`.
On [PostgreSQL](postgresql.md) there is no such file: both secrets have to be set, the same for every process.

"""


def settings_document() -> str:
    """The whole document."""
    rows = ["| option | default | unit | meaning | why this default |", "|---|---|---|---|---|"]
    plain = Settings.model_construct().model_dump(mode="json", warnings=False)
    for name, field in Settings.model_fields.items():
        extra = field.json_schema_extra
        assert isinstance(extra, dict)
        default = "" if plain[name] in (None, "") else f"`{str(plain[name]).lower() if isinstance(plain[name], bool) else plain[name]}`"
        rows.append(f"| `{PREFIX}{name.upper()}` | {default} | {extra['unit']} | {field.description} | {extra['why']} |")
    return _HEAD + "\n".join(rows) + "\n"
