"""The rules, as values and functions: no await, no I/O, no clock, no chance of its own."""
