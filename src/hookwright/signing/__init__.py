"""Standard Webhooks 1.0.0: secrets, signatures, verification, and why a verification fails.

Pure, and usable without the rest of the package: only `hookwright.errors`, the standard library and `cryptography`.
Source of every rule here: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from hookwright.signing.verification import VerificationError, verify

__all__ = ["VerificationError", "verify"]
