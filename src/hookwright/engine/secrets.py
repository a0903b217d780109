"""Endpoint secrets and custom headers, sealed before they reach the store and opened only to sign, send or show."""

import json

from hookwright.vault import Vault


class Secrets:
    """The context of each sealed value names its row and column, so that no value opens in another's place."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def seal_secret(self, endpoint: str, secret: str) -> bytes:
        return self._vault.seal(secret.encode(), f"endpoint/{endpoint}/secret")

    def open_secret(self, endpoint: str, sealed: bytes) -> str:
        """Raises VaultError."""
        return self._vault.open(sealed, f"endpoint/{endpoint}/secret").decode()

    def seal_answer(self, credential: str, answer: bytes) -> bytes:
        """An answer that shows a secret, kept for a repetition of its request by the same credential."""
        return self._vault.seal(answer, f"credential/{credential}/answer")

    def open_answer(self, credential: str, sealed: bytes) -> bytes:
        """Raises VaultError."""
        return self._vault.open(sealed, f"credential/{credential}/answer")

    def seal_headers(self, endpoint: str, headers: dict[str, str]) -> bytes | None:
        """None for no headers at all."""
        return self._vault.seal(json.dumps(headers).encode(), f"endpoint/{endpoint}/headers") if headers else None

    def open_headers(self, endpoint: str, sealed: bytes | None) -> dict[str, str]:
        """Raises VaultError."""
        if sealed is None:
            return {}
        headers: dict[str, str] = json.loads(self._vault.open(sealed, f"endpoint/{endpoint}/headers"))
        return headers
