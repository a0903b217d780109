"""What a measured server is given before the load."""

from bench.world import Server, SinkProcess


def prepare(server: Server, sink: SinkProcess, *, endpoints: int = 0, hanging: int = 0) -> str:
    """An application; its message path. With `endpoints`, one for each channel, the first `hanging` of which never
    answer; otherwise one endpoint for everything.
    """
    application = server.create("/api/v1/app", {"name": "bench"})["id"]
    path = f"/api/v1/app/{application}"
    if not endpoints:
        server.create(f"{path}/endpoint", {"url": f"{sink.url}/hook/all"})
    for channel in range(endpoints):
        kind = "hang" if channel < hanging else "hook"
        server.create(f"{path}/endpoint", {"url": f"{sink.url}/{kind}/{channel}", "channels": [f"c{channel}"]})
    return f"{path}/msg"
