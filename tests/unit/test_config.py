"""Settings are read from the right place, refused with a reason, and silent about secrets."""

import base64
import os
from pathlib import Path

import pytest

from hookwright.config import Settings, is_loopback
from hookwright.domain.addresses import parse_networks
from hookwright.domain.egress import Egress, parse_openings
from hookwright.domain.proxies import Proxy
from hookwright.domain.retries import DEFAULT_SCHEDULE
from hookwright.errors import ConfigurationError
from hookwright.keyfile import open_or_create

KEY = base64.b64encode(bytes(32)).decode()


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("HOOKWRIGHT_"):
            monkeypatch.delenv(name)


def refusal(**flags: object) -> str:
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(**flags)
    return str(caught.value)


def test_without_any_setting_the_defaults_hold() -> None:
    settings = Settings.load()
    assert (settings.host, settings.port, settings.role, settings.retry_schedule) == ("127.0.0.1", 8071, "all", DEFAULT_SCHEDULE)


def test_a_flag_wins_over_the_environment_and_the_environment_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("port = 1\nconcurrency = 2\nretry_schedule = [1, 2.5]\n")
    monkeypatch.setenv("HOOKWRIGHT_CONFIG", str(file))
    monkeypatch.setenv("HOOKWRIGHT_PORT", "3")
    monkeypatch.setenv("HOOKWRIGHT_ENDPOINT_CONCURRENCY", "4")
    settings = Settings.load(endpoint_concurrency=5)
    assert (settings.port, settings.concurrency, settings.endpoint_concurrency, settings.retry_schedule) == (3, 2, 5, (1.0, 2.5))


def test_a_flag_that_was_not_given_does_not_hide_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKWRIGHT_PORT", "3")
    assert Settings.load(port=None).port == 3


def test_an_empty_variable_counts_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKWRIGHT_JWT_SECRET", "")
    assert Settings.load().jwt_secret is None


def test_a_retry_schedule_is_seconds_with_fractions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKWRIGHT_RETRY_SCHEDULE", "0.5, 5,300")
    assert Settings.load().retry_schedule == (0.5, 5.0, 300.0)


def test_networks_are_read_from_a_comma_separated_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKWRIGHT_ALLOW_NETWORKS", "127.0.0.0/8,::1/128")
    assert Settings.load().allow_networks == parse_openings(["127.0.0.0/8", "::1/128"])


def test_networks_in_the_file_are_texts(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('allow_networks = ["10.0.0.0/8"]\n')
    assert Settings.load(config=file).allow_networks == parse_openings(["10.0.0.0/8"])
    file.write_text("allow_networks = [5]\n")  # as a number it would open 0.0.0.5
    assert "'5' is not a network" in refusal(config=file)


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("port", "65536", "65535"),
        ("port", "http", "integer"),
        ("attempt_timeout", "0.5", "1"),
        ("attempt_timeout", "61", "60"),
        ("retry_schedule", "5,-1", "more than 0"),
        ("retry_schedule", "5,soon", "number"),
        ("message_retention", "89", "90 days or more"),
        ("message_retention", "-1", "0"),
        ("retry_schedule", "nan", "more than 0"),
        ("allow_networks", "10.0.0.1/8", "10.0.0.0/8"),
        ("allow_networks", "10.0.0.0/8:http", "a port like 443"),
        ("allow_networks", "10.0.0.0/8:0", "a port like 443"),
        ("deny_networks", "10.0.0.1/8", "10.0.0.0/8"),
        ("deny_networks", "10.0.0.0/8:80", "10.0.0.0/8"),
        ("allow_ports", "443,http", "a port like 443, or a range of ports like 1024-65535"),
        ("allow_ports", "0-80", "a port like 443"),
        ("nat64", "64:ff9b:1::/48", "64:ff9b::/96"),
        ("egress_proxy", "https://proxy:3128", "http://user:password@host:port"),
        ("signature_headers", "none", "'standard', 'svix' or 'both'"),
        ("database", "mysql://db", "sqlite:///"),
        ("database", "sqlite:///:memory:", "plain file"),
        ("role", "gateway", "'all', 'api' or 'worker'"),
        ("role", "worker", "a SQLite file has one owner"),
        ("workers", "2", "a SQLite file has one owner"),
        ("workers", "0", "greater than or equal to 1"),
        ("portal_url", "hooks.example.com", "https://"),
        ("webhook_origin", "https://hooks.example.com", "a host name"),
        ("webhook_origin", "hooks..example.com", "a host name"),
        ("header_bytes", "10", "1024"),
    ],
)
def test_a_bad_value_is_refused_with_its_name_its_value_and_what_is_right(
    name: str, value: str, right: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"HOOKWRIGHT_{name.upper()}", value)
    said = refusal()
    assert f"HOOKWRIGHT_{name.upper()}=" in said
    assert right in said
    assert "\n" not in said


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app:hunter2@db",
        "postgresql:app:hunter2@db/hooks",
        "postgresql://app:hunter2@db:port/hooks",
        "postgresql://app:1/hunter2@db/hooks",
        "postgresql://app:1#hunter2@db/hooks",
        "postgresql://app@db:port/hooks?password=hunter2",
        "postgresql://db:port/hooks?password=1@hunter2",
        "postgresql://app:1?hunter2@db/hooks",
    ],
)
def test_an_address_of_postgresql_that_cannot_be_read_is_refused_without_its_password(url: str) -> None:
    said = refusal(database=url)
    assert said.startswith("HOOKWRIGHT_DATABASE=")
    assert "right would be postgresql://user:password@host/hookwright" in said
    assert "hunter2" not in said


@pytest.mark.parametrize("url", ["postgresql://app:hunter2@db:5433/hooks", "postgres://app@db:5433/hooks?password=hunter2"])
def test_a_password_of_postgresql_is_in_no_name_and_no_representation(url: str) -> None:
    settings = Settings.load(database=url)
    assert settings.on_postgres
    assert settings.database_name == "postgresql://db:5433/hooks"
    assert "hunter2" not in f"{settings!r} {settings}"


def test_where_requests_may_go_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "ALLOW_NETWORKS": "10.0.0.0/8,10.1.0.0/16:8000-8999", "DENY_NETWORKS": "10.0.0.5/32,192.0.2.0/24", "ALLOW_PORTS": "443, 1024-65535",
        "NAT64": "64:ff9b::/96", "PORT": "9000",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"HOOKWRIGHT_{name}", value)
    assert Settings.load().egress() == Egress(
        allowed=parse_openings(["10.0.0.0/8", "10.1.0.0/16:8000-8999"]), denied=parse_networks(["10.0.0.5/32", "192.0.2.0/24"]),
        ports=((443, 443), (1024, 65535)), nat64=parse_networks(["64:ff9b::/96"]), own_port=9000,
    )  # fmt: skip


def test_ports_in_the_file_are_numbers_or_texts(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('allow_ports = [443, "8000-8999"]\n')
    assert Settings.load(config=file).allow_ports == ((443, 443), (8000, 8999))


def test_a_proxy_is_read_and_its_password_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKWRIGHT_EGRESS_PROXY", "http://app:hunter2@proxy:3128")
    settings = Settings.load()
    assert settings.proxy() == Proxy("proxy", 3128, "Basic YXBwOmh1bnRlcjI=")
    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump(mode='json')}"
    monkeypatch.setenv("HOOKWRIGHT_EGRESS_PROXY", "http://app:hunter2@proxy")
    assert "hunter2" not in refusal()


def test_an_unknown_option_in_the_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("prot = 1\n")
    assert refusal(config=file) == "prot: there is no such option; is port meant?"


@pytest.mark.parametrize("content", [None, b"port =", b"\xff"])
def test_a_file_that_cannot_be_read_is_refused(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    if content is not None:
        file.write_bytes(content)
    assert refusal(config=file).startswith(f"HOOKWRIGHT_CONFIG={file}: ")


def test_a_relative_and_an_absolute_database_are_told_apart() -> None:
    assert Settings.load(database="sqlite:///hooks.db").database_path == Path("hooks.db")
    assert Settings.load(database="sqlite:////var/hooks.db").key_file == Path("/var/hooks.db.keys")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "hooks.example.com"])
def test_listening_publicly_without_a_configured_secret_is_refused(host: str) -> None:
    said = refusal(host=host)
    assert "HOOKWRIGHT_JWT_SECRET" in said
    assert host in said


def test_listening_publicly_with_a_secret_is_allowed_and_told() -> None:
    assert any("HOOKWRIGHT_HOST" in line for line in Settings.load(host="0.0.0.0", jwt_secret="s" * 32).unsafe_switches())


def test_the_defaults_open_nothing() -> None:
    assert Settings.load().unsafe_switches() == []


@pytest.mark.parametrize("flags", [{"allow_networks": "10.0.0.0/8"}, {"jwt_secret": "short"}])
def test_what_is_opened_is_told_without_secrets(flags: dict[str, str]) -> None:
    (line,) = Settings.load(**flags).unsafe_switches()
    assert line.startswith(f"HOOKWRIGHT_{next(iter(flags)).upper()}")
    assert "=short" not in line


def test_a_network_that_is_open_on_some_ports_is_shown_with_them() -> None:
    settings = Settings.load(allow_networks="10.0.0.0/8, 10.1.0.0/16:8080, [fd00::/8]:8000-8999")
    (line,) = settings.unsafe_switches()
    assert "HOOKWRIGHT_ALLOW_NETWORKS=10.0.0.0/8,10.1.0.0/16:8080,[fd00::/8]:8000-8999:" in line
    assert settings.model_dump(mode="json")["allow_networks"] == "10.0.0.0/8,10.1.0.0/16:8080,[fd00::/8]:8000-8999"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_loopback_is_recognised(host: str) -> None:
    assert is_loopback(host)


def test_secrets_are_masked_in_representations() -> None:
    settings = Settings.load(jwt_secret="canary-one", encryption_keys=f"k1:{KEY}")
    shown = repr(settings) + str(settings) + settings.model_dump_json()
    assert "canary-one" not in shown
    assert KEY not in shown


@pytest.mark.parametrize("ring", ["canary", "k1:canary", f":{KEY}", f"k1:{KEY},k1:{KEY}", "k1:" + base64.b64encode(b"canary").decode()])
def test_a_malformed_ring_is_refused_and_not_shown(ring: str) -> None:
    said = refusal(encryption_keys=ring)
    assert said.startswith("HOOKWRIGHT_ENCRYPTION_KEYS=(hidden)")
    assert ring not in said


def test_limits_carry_the_settings() -> None:
    limits = Settings.load(header_bytes=2048, max_connections=7, max_connections_per_address=2, keep_alive_seconds=3).limits()
    assert (limits.header_bytes, limits.max_connections, limits.max_connections_per_address, limits.keep_alive_seconds) == (2048, 7, 2, 3.0)


def test_behind_a_proxy_the_defaults_take_all_callers_from_its_one_address() -> None:
    assert Settings.load().limits().max_connections_per_address is None


# The key file


def test_a_key_file_is_made_once_and_found_again(tmp_path: Path) -> None:
    path = tmp_path / "hooks.db.keys"
    first, second = open_or_create(path), open_or_create(path)
    assert (first.created, second.created) == (True, False)
    assert (first.jwt_secret, first.encryption_keys) == (second.jwt_secret, second.encryption_keys)


def test_generated_keys_are_acceptable_settings(tmp_path: Path) -> None:
    keys = open_or_create(tmp_path / "keys")
    assert Settings.load(jwt_secret=keys.jwt_secret, encryption_keys=keys.encryption_keys).unsafe_switches() == []


def test_a_key_file_is_private_and_nothing_else_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    open_or_create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    open_or_create(path)
    path.chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        open_or_create(path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"jwt_secret": "a"}', b'{"jwt_secret": "", "encryption_keys": ""}', b"\xff"])
def test_a_damaged_key_file_is_refused_and_kept(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match="backup"):
        open_or_create(path)
    assert path.read_bytes() == content


def test_a_key_file_whose_directory_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        open_or_create(tmp_path / "absent" / "keys")


def test_a_key_file_that_appears_meanwhile_is_used_and_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "keys"

    def entropy(size: int) -> bytes:
        if not path.exists():
            open_or_create(path)  # somebody else is faster
        return os.urandom(size)

    keys = open_or_create(path, entropy)
    assert not keys.created
    assert keys.encryption_keys == open_or_create(path).encryption_keys


def test_keys_do_not_show_in_a_representation(tmp_path: Path) -> None:
    keys = open_or_create(tmp_path / "keys")
    assert keys.jwt_secret not in repr(keys)
    assert keys.encryption_keys not in repr(keys)


@pytest.mark.parametrize(
    ("typed", "meant"), [("RETRY_SCHEDUL", "RETRY_SCHEDULE"), ("JWT_SECRT", "JWT_SECRET"), ("URI", "URL"), ("retry_jiter", "RETRY_JITTER")]
)
def test_a_mistyped_variable_is_refused_with_the_name_that_was_meant(monkeypatch: pytest.MonkeyPatch, typed: str, meant: str) -> None:
    monkeypatch.setenv(f"HOOKWRIGHT_{typed}", "a value that may be secret")
    assert refusal() == f"HOOKWRIGHT_{typed}: there is no such setting; is HOOKWRIGHT_{meant} meant?"


def test_a_variable_like_none_of_ours_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKWRIGHT_QQQ", "1")
    assert "no such setting; see docs/settings.md" in refusal()


@pytest.mark.parametrize("name", ["URL", "TOKEN", "DEBUG", "API_SERVICE_HOST", "API_PORT_8071_TCP", "API_PORT_8071_TCP_ADDR"])
def test_variables_of_the_commands_and_of_kubernetes_are_no_mistakes(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"HOOKWRIGHT_{name}", "1")
    assert Settings.load().port == 8071


def test_an_unknown_variable_that_is_empty_counts_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKWRIGHT_QQQ", "")
    assert Settings.load().port == 8071
