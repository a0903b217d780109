"""One SQLite file, one process: the embedded default. `store.open_store` opens it."""
