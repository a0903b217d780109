"""Services over the ports: ingest, dispatcher, executor, settler, replays, janitor. Knows no adapter."""
