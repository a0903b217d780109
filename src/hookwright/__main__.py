"""`python -m hookwright` is `hookwright`."""

from hookwright.cli import main

main()
