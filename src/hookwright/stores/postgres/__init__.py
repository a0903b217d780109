"""PostgreSQL: any number of processes over one database. `store.open_store` opens it."""
