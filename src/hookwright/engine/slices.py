"""How much of its work whatever goes on in the background does at once."""

SLICE = 100
"""Rows that one command changes, more or less. On SQLite that keeps the loop for some 4 ms, and no group commit waits for more."""
