"""An organization is a tenant of the installation. It exists from the first valid token that names it."""

DEFAULT_ORGANIZATION = "org_23rb8YdGqMT0qIzpgGwdXfHirMu"
"""The tenant that the command line and a fresh installation use; the same one that a Svix server defaults to."""
