"""What a measured server is given before the load."""

from bench.generator import Place
from bench.world import Server, SinkProcess


def prepare(server: Server, sink: SinkProcess, *, endpoints: int = 0, hanging: int = 0, copies: int = 1) -> str:
    """An application; its message path. With `endpoints`, one for each channel, the first `hanging` of which never
    answer; otherwise one endpoint for everything, or `copies` of them.
    """
    application = server.create("/api/v1/app", {"name": "bench"})["id"]
    path = f"/api/v1/app/{application}"
    for copy in range(0 if endpoints else copies):
        server.create(f"{path}/endpoint", {"url": f"{sink.url}/hook/all/{copy}"})
    for channel in range(endpoints):
        kind = "hang" if channel < hanging else "hook"
        server.create(f"{path}/endpoint", {"url": f"{sink.url}/{kind}/{channel}", "channels": [f"c{channel}"]})
    return f"{path}/msg"


def place(server: Server, url: str, token: str | None = None) -> Place:
    """An application with one endpoint, of whoever has the token."""
    application = server.create("/api/v1/app", {"name": "bench"}, token)["id"]
    path = f"/api/v1/app/{application}"
    server.create(f"{path}/endpoint", {"url": url}, token)
    return Place(f"{path}/msg", token or server.token)
