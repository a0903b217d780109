"""Where this installation may send: what its operator opened and closed, and what never is."""

import pytest

from hookwright.domain.addresses import parse_networks
from hookwright.domain.egress import WEB_PORTS, Egress, parse_nat64, parse_openings, parse_ports, show_ports

EVERY = ((1, 65535),)


def opened(*networks: str) -> Egress:
    return Egress(allowed=parse_openings(networks))


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1"])
def test_an_opened_network_opens_its_addresses_however_they_are_written_on_every_port(address: str) -> None:
    for port in (80, 9000, 65535):
        assert opened("127.0.0.0/8").judge(address, port) is None


@pytest.mark.parametrize(
    ("text", "open_on", "closed_on"),
    [
        ("10.0.0.0/8:8080", [("10.0.0.1", 8080)], [("10.0.0.1", 443), ("10.0.0.1", 8081), ("172.16.0.1", 8080)]),
        ("10.0.0.5:9000", [("10.0.0.5", 9000), ("::ffff:10.0.0.5", 9000)], [("10.0.0.6", 9000), ("10.0.0.5", 80)]),
        ("10.0.0.0/8:8000-8999", [("10.9.9.9", 8000), ("10.9.9.9", 8999)], [("10.9.9.9", 7999), ("10.9.9.9", 9000)]),
        ("fd00::/8:8080", [("fd00::1", 8080)], [("fd00::1", 80), ("fe80::1", 8080)]),
        ("[fd00::/8]:8080", [("fd00::1", 8080)], [("fd00::1", 80)]),
        ("[::1]:8080", [("::1", 8080)], [("::1", 80), ("::1:8080", 8080)]),
        ("8.8.8.8/32:9000", [("8.8.8.8", 9000), ("8.8.8.8", 443)], [("8.8.8.8", 9001), ("8.8.4.4", 9000)]),
    ],
)
def test_a_network_can_be_opened_on_some_ports(text: str, open_on: list[tuple[str, int]], closed_on: list[tuple[str, int]]) -> None:
    egress = opened(text)
    assert [each for each in open_on if egress.judge(*each) is not None] == []
    assert [each for each in closed_on if egress.judge(*each) is None] == []
    (opening,) = egress.allowed
    assert parse_openings([str(opening)]) == (opening,)


def test_a_network_that_is_open_on_some_ports_is_opened_on_those_alone() -> None:
    egress = opened("127.0.0.1:8080")
    assert (egress.is_opened("127.0.0.1", 8080), egress.is_opened("127.0.0.1", 8081)) == (True, False)


@pytest.mark.parametrize(
    "text",
    ["10.0.0.0/8:", "10.0.0.0/8:0", "10.0.0.0/8:80:81", "[fd00::/8]:x", "[fd00::/8]", "[fd00::/8", "10.0.0.1/8:80", ":80", "", "a:80"],
)
def test_an_opening_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a (network|port) like"):
        parse_openings([text])


def test_an_opened_network_opens_nothing_else() -> None:
    egress = opened("10.1.0.0/16", "fd00::/8")
    assert egress.judge("10.2.0.1", 443) == "private"
    assert egress.judge("169.254.169.254", 443)
    assert egress.judge("fe80::1", 443)


def test_a_scope_is_refused_even_inside_an_opened_network() -> None:
    assert opened("fe80::/10").judge("fe80::1%eth0", 443)


def test_what_the_operator_denies_is_refused_in_public_and_in_opened_networks() -> None:
    egress = Egress(allowed=parse_openings(["10.0.0.0/8"]), denied=parse_networks(["10.0.0.5/32", "8.8.8.0/24"]))
    assert [egress.judge(each, 443) is None for each in ("10.0.0.4", "10.0.0.5", "::ffff:10.0.0.5", "8.8.8.8", "8.8.4.4")] == [
        True, False, False, False, True,
    ]  # fmt: skip


@pytest.mark.parametrize("port", [80, 443, 8080, 8443])
def test_the_ports_of_the_web_are_open(port: int) -> None:
    assert Egress().judge("8.8.8.8", port) is None
    assert Egress().judge_name("hooks.example", port) is None


@pytest.mark.parametrize("port", [81, 1024, 3000, 8000, 9000, 65535])
def test_any_other_port_on_the_internet_is_for_the_operator_to_open(port: int) -> None:
    assert Egress().judge("8.8.8.8", port) == f"port {port}"
    assert Egress().judge_name("hooks.example", port) == f"port {port}"
    assert Egress(ports=parse_ports(["443", f"{port}-65535"])).judge("8.8.8.8", port) is None


def test_no_port_opens_an_address() -> None:
    assert Egress(ports=EVERY).judge("127.0.0.1", 8080) == "loopback"


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "localhost.", "a.localhost", "a.localhost."])
def test_loopback_names_need_an_opened_loopback(name: str) -> None:
    assert Egress().judge_name(name, 443)
    assert opened("10.0.0.0/8").judge_name(name, 443)
    assert opened("127.0.0.0/8").judge_name(name, 443) is None
    assert opened("::1/128").judge_name(name, 9000) is None


@pytest.mark.parametrize("name", ["metadata", "metadata.google.internal", "printer.local", "a.onion", "db.default.svc", "x.localdomain"])
def test_local_names_need_an_opened_network(name: str) -> None:
    assert Egress().judge_name(name, 443) == "local name"
    assert opened("10.0.0.0/8").judge_name(name, 9000) is None


def test_a_host_is_judged_as_the_address_or_the_name_that_it_is() -> None:
    egress = Egress()
    assert egress.judge_host("127.0.0.1", 443) == "loopback"
    assert egress.judge_host("localhost", 443) == "loopback name"
    assert egress.judge_host("hooks.example", 443) is None


def test_behind_a_declared_translator_the_address_inside_is_judged() -> None:
    egress = Egress(nat64=parse_nat64(["64:ff9b::/96", "2001:db8:64::/96"]))
    assert egress.judge("64:ff9b::808:808", 443) is None
    assert egress.judge("2001:db8:64::808:808", 443) is None
    assert egress.judge("64:ff9b::7f00:1", 443) == "loopback"
    assert egress.judge("2001:db8:64::a9fe:a9fe", 443) == "link-local, metadata services"
    assert egress.judge("2001:db8::1", 443) == "documentation"
    assert Egress().judge("64:ff9b::808:808", 443) == "not global unicast"


def test_only_what_lies_in_an_opened_network_counts_as_opened() -> None:
    egress = opened("127.0.0.1/32")
    assert [egress.is_opened(each, 443) for each in ("127.0.0.1", "::ffff:127.0.0.1", "127.0.0.2", "8.8.8.8", "nonsense")] == [
        True, True, False, False, False,
    ]  # fmt: skip


def test_ports_are_read_and_shown() -> None:
    assert parse_ports(["443", " 1024-65535 "]) == ((443, 443), (1024, 65535))
    assert show_ports(parse_ports(["443", "1024-65535"])) == "443,1024-65535"
    assert show_ports(WEB_PORTS) == "80,443,8080,8443"


@pytest.mark.parametrize("text", ["", "0", "65536", "http", "443-", "-443", "9-8", "1-2-3", "٤٤٣", "1.5", "999999"])
def test_what_is_no_port_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is not a port like 443"):
        parse_ports([text])


@pytest.mark.parametrize("text", ["", "64:ff9b::/64", "64:ff9b:1::/48", "10.0.0.0/8", "64:ff9b::1/96", "nat"])
def test_a_prefix_of_any_other_length_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a NAT64 prefix of 96 bits"):
        parse_nat64([text])
