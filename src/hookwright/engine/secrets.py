"""Endpoint secrets, custom headers, what lets us in, variables of transformations, and answers that show a secret: sealed before they
reach the store, opened only for use.
"""

import json

import msgspec

from hookwright.domain.access import Access
from hookwright.domain.transformations import SealedTransformation, Transformation
from hookwright.errors import VaultError
from hookwright.store.seals import Kind
from hookwright.vault import Vault

_NOTHING = Access()
_ACCESS = msgspec.json.Decoder(Access)


def context(kind: Kind, owner: str) -> str:
    """What is sealed together with a value: its row and column, so that no value opens in another's place."""
    return f"idempotency/{owner}/answer" if kind == "answer" else f"endpoint/{owner}/{kind}"


class Secrets:
    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def seal_secret(self, endpoint: str, secret: str) -> bytes:
        return self._vault.seal(secret.encode(), context("secret", endpoint))

    def open_secret(self, endpoint: str, sealed: bytes) -> str:
        """Raises VaultError."""
        return self._vault.open(sealed, context("secret", endpoint)).decode()

    def seal_answer(self, key: bytes, answer: bytes) -> bytes:
        """An answer that shows a secret, kept for a repetition of its request. `key` as in `Once`."""
        return self._vault.seal(answer, context("answer", key.hex()))

    def open_answer(self, key: bytes, sealed: bytes) -> bytes:
        """Raises VaultError."""
        return self._vault.open(sealed, context("answer", key.hex()))

    def seal_headers(self, endpoint: str, headers: dict[str, str]) -> bytes | None:
        """None for no headers at all."""
        return self._vault.seal(json.dumps(headers).encode(), context("headers", endpoint)) if headers else None

    def open_headers(self, endpoint: str, sealed: bytes | None) -> dict[str, str]:
        """Raises VaultError."""
        if sealed is None:
            return {}
        headers: dict[str, str] = json.loads(self._vault.open(sealed, context("headers", endpoint)))
        return headers

    def seal_access(self, endpoint: str, access: Access) -> bytes | None:
        """None if it asks for nothing."""
        return None if access == _NOTHING else self._vault.seal(msgspec.json.encode(access), context("access", endpoint))

    def open_access(self, endpoint: str, sealed: bytes | None) -> Access:
        """Raises VaultError, also for what a newer version sealed and this one does not know."""
        if sealed is None:
            return _NOTHING
        try:
            return _ACCESS.decode(self._vault.open(sealed, context("access", endpoint)))
        except msgspec.DecodeError as error:
            raise VaultError("what lets us in at this endpoint is in no form that this version knows") from error

    def seal_variables(self, endpoint: str, variables: dict[str, str]) -> bytes | None:
        """None for none at all."""
        return self._vault.seal(json.dumps(variables).encode(), context("variables", endpoint)) if variables else None

    def open_variables(self, endpoint: str, sealed: bytes | None) -> dict[str, str]:
        """Raises VaultError."""
        if sealed is None:
            return {}
        variables: dict[str, str] = json.loads(self._vault.open(sealed, context("variables", endpoint)))
        return variables

    def open_transformation(self, endpoint: str, sealed: SealedTransformation | None) -> Transformation | None:
        """None where nothing runs. Raises VaultError."""
        if sealed is None or not sealed.runs:
            return None
        return Transformation(sealed.code, self.open_variables(endpoint, sealed.sealed_variables))
