"""The address table, at the edges of each of its ranges."""

import ipaddress

import pytest

from hookwright.domain.addresses import is_local_name, is_loopback_name, judge, parse_networks, read_address

REFUSED = """
0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255 100.100.100.200 127.0.0.1 127.255.255.255 169.254.0.0
169.254.169.254 169.254.170.2 169.254.170.23 172.16.0.0 172.31.255.255 192.0.0.0 192.0.0.192 192.0.2.1 192.31.196.1 192.52.193.1
192.88.99.1 192.168.0.0 192.168.255.255 192.175.48.1 198.18.0.0 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.250
240.0.0.1 255.255.255.255 168.63.129.16
:: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:7f00:1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0:127.0.0.1 64:ff9b::7f00:1
64:ff9b:1::7f00:1 100::1 100:0:0:1::1 2001::1 2001:2::1 2001:10::1 2001:20::1 2001:30::1 2001:1ff:ffff::1 2001:db8::1 2002:7f00:1::
2620:4f:8000::1 3fff::1 4000::1 5f00::1 fc00::1 fd00:ec2::254 fd20:ce::254 fe80::1 fec0::1 ff02::1 ffff::1
fe80::1%eth0 2606:4700::1111%1 ::ffff:8.8.8.8%1
""".split()  # noqa: SIM905  # a table to compare with the registries, not a list of strings
PASSED = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255 169.255.0.0 172.15.255.255
172.32.0.0 192.0.1.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255 168.63.129.15
2000::1 2001:200::1 2001:4860:4860::8888 2606:4700:4700::1111 2a00:1450:4001::200e 3ffe::1 ::ffff:8.8.8.8
""".split()  # noqa: SIM905  # a table to compare with the registries, not a list of strings


@pytest.mark.parametrize("address", REFUSED)
def test_an_address_off_the_public_internet_is_refused(address: str) -> None:
    assert judge(address)


@pytest.mark.parametrize("address", PASSED)
def test_an_address_on_the_public_internet_passes(address: str) -> None:
    assert judge(address) is None


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "0177.0.0.1", "2130706433", "1.2.3.4 ", "[::1]", "1.2.3.4:80"])
def test_what_is_no_address_is_refused(text: str) -> None:
    assert judge(text) == "not an address"


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "localhost.", "a.localhost", "a.localhost."])
def test_loopback_names_are_known(name: str) -> None:
    assert is_loopback_name(name)
    assert is_local_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "metadata", "instance-data", "backend", "metadata.google.internal", "metadata.google.internal.", "printer.local", "nas.home.arpa",
        "a.onion", "db.default.svc.cluster.local",
    ],
)  # fmt: skip
def test_local_names_are_known(name: str) -> None:
    assert is_local_name(name)
    assert not is_loopback_name(name)


@pytest.mark.parametrize(
    "name", ["example.com", "example.com.", "local.example", "localhost.example.com", "internal.example", "notlocal.net"]
)
def test_names_on_the_internet_are_not_local(name: str) -> None:
    assert not is_local_name(name)


@pytest.mark.parametrize(
    ("written", "read"),
    [("1.2.3.4", "1.2.3.4"), ("::ffff:1.2.3.4", "1.2.3.4"), ("64:ff9b::102:304", "1.2.3.4"), ("2001:DB8::1", "2001:db8::1")],
)
def test_an_address_is_read_as_where_packets_would_go(written: str, read: str) -> None:
    assert str(read_address(written, parse_networks(["64:ff9b::/96"]))) == read


def test_a_translated_address_is_only_one_where_the_prefix_is_declared() -> None:
    assert str(read_address("64:ff9b::102:304")) == "64:ff9b::102:304"


def test_networks_are_read_from_text() -> None:
    assert parse_networks([" 10.0.0.0/8 ", "fd00::/8"]) == (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))


@pytest.mark.parametrize("text", ["", "10.0.0.1/8", "10.0.0.0/33", "example.com", "localhost"])
def test_a_network_that_cannot_be_read_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is not a network like"):
        parse_networks([text])
