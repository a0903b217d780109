"""Puts a process together: the only package that names adapters.

`database` for who needs the file alone, `keys` for an installation's secrets, `engine` for delivery without an API,
`server` for the whole. Each loads no more than it needs: a small command must not pay for the server.
"""
