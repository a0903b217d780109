"""Backends of the `store` port."""
