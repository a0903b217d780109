"""What SQL stores share: handlers of commands and queries, and their statements, written once."""
