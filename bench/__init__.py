"""Measurements: what a claim about speed, latency or cost in the documents rests on. `python -m bench --help`."""
