"""What is sealed opens in its own place, with its own key, unchanged; and nowhere else."""

import base64
import itertools

import pytest

from hookwright.errors import VaultError
from hookwright.vault import KeyRing, Vault, format_keys, generate_keys, parse_keys

OLD = b"o" * 32
NEW = b"n" * 32


def make(keys: dict[str, bytes] | None = None, current: str = "k1") -> Vault:
    counter = itertools.count(1)
    return Vault(keys or {"k1": OLD}, current, lambda size: next(counter).to_bytes(size, "big"))


def test_what_was_sealed_opens_in_its_place() -> None:
    vault = make()
    assert vault.open(vault.seal(b"whsec_x", "ep_1/secret"), "ep_1/secret") == b"whsec_x"


def test_nothing_opens_in_another_place() -> None:
    vault = make()
    with pytest.raises(VaultError, match="not from this place"):
        vault.open(vault.seal(b"whsec_x", "ep_1/secret"), "ep_2/secret")


def test_every_changed_byte_is_noticed() -> None:
    vault = make()
    sealed = vault.seal(b"whsec_x", "c")
    for place in range(len(sealed)):
        changed = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises(VaultError):
            vault.open(changed, "c")


def test_every_cut_is_noticed() -> None:
    vault = make()
    sealed = vault.seal(b"whsec_x", "c")
    for length in range(len(sealed)):
        with pytest.raises(VaultError):
            vault.open(sealed[:length], "c")


def test_the_same_value_never_seals_to_the_same_bytes() -> None:
    vault = make()
    assert vault.seal(b"x", "c") != vault.seal(b"x", "c")


def test_the_plaintext_is_not_in_the_sealed_bytes() -> None:
    assert b"whsec_canary" not in make().seal(b"whsec_canary", "c")


def test_an_old_key_still_opens_and_the_new_one_seals() -> None:
    sealed = make({"k1": OLD}).seal(b"x", "c")
    ring = make({"k2": NEW, "k1": OLD}, "k2")
    assert ring.open(sealed, "c") == b"x"
    assert (ring.key_of(sealed), ring.key_of(ring.seal(b"x", "c"))) == ("k1", "k2")


def test_a_key_that_left_the_ring_is_named() -> None:
    with pytest.raises(VaultError, match="'k1', which is not in the ring"):
        make({"k2": NEW}, "k2").open(make({"k1": OLD}).seal(b"x", "c"), "c")


def test_two_ids_of_one_key_are_not_interchangeable() -> None:
    sealed = make({"k1": OLD}).seal(b"x", "c")
    with pytest.raises(VaultError):
        make({"k2": OLD}, "k2").open(sealed.replace(b"k1", b"k2", 1), "c")


def test_the_written_form_of_a_ring_is_read_back() -> None:
    ring = KeyRing({"k1": OLD, "k2": NEW}, "k2")
    text = format_keys(ring)
    assert text == f"k2:{base64.b64encode(NEW).decode()},k1:{base64.b64encode(OLD).decode()}"
    assert parse_keys(text) == ring


def test_a_generated_ring_has_one_key_of_32_bytes() -> None:
    assert generate_keys(lambda size: b"e" * size) == KeyRing({"k1": b"e" * 32}, "k1")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "key 1 is not written as id:base64"),
        ("k1", "key 1 is not written as id:base64"),
        (f"k1:{base64.b64encode(OLD).decode()},", "key 2 is not written"),
        (f"k 1:{base64.b64encode(OLD).decode()}", "key 1 is not written"),
        ("k1:!!", "not base64"),
        ("k1:" + base64.b64encode(b"x" * 31).decode(), "holds 31 bytes"),
        (",".join([f"k1:{base64.b64encode(OLD).decode()}"] * 2), "there twice"),
    ],
)
def test_a_ring_that_cannot_be_read_says_why(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_keys(text)


def test_a_current_key_outside_the_ring_is_refused() -> None:
    with pytest.raises(ValueError, match="not in the ring"):
        make({"k1": OLD}, "k2")


def test_no_key_shows_in_a_repr() -> None:
    assert "ooo" not in repr(make()) + repr(KeyRing({"k1": OLD}, "k1")) + str(KeyRing({"k1": OLD}, "k1"))
