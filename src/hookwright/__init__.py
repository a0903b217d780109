"""Webhooks in both directions: accept, keep, fan out, sign, deliver, retry, show and replay."""

__version__ = "0.1.0"
