"""Where requests may go, and by which way (`domain.egress`)."""

from pydantic import BaseModel

from hookwright.config.options import option
from hookwright.config.values import Nat64, Networks, Openings, OpenPorts, Proxy
from hookwright.domain.egress import WEB_PORTS


class Destinations(BaseModel):
    allow_networks: Openings = option(
        (),
        "networks",
        "Private networks that deliveries may go to, comma-separated: on every port, or on those behind a colon (`10.1.0.0/16:8080`).",
        "None: an endpoint's URL must not reach into our own network.",
    )
    deny_networks: Networks = option(
        (),
        "networks",
        "Networks that deliveries may not go to, whatever else is open, comma-separated.",
        "This machine's own addresses are refused without; those by which others reach it are known to you alone.",
    )
    allow_ports: OpenPorts = option(
        WEB_PORTS,
        "ports",
        "Ports on the public internet that deliveries may go to, comma-separated; ranges like `1024-65535` too.",
        "Where web servers are. A network that was opened has its own.",
    )
    nat64: Nat64 = option(
        (),
        "networks",
        "The NAT64 prefixes of a network that has IPv6 alone, comma-separated, like `64:ff9b::/96`.",
        "Elsewhere such addresses are a way around the rules.",
    )
    egress_proxy: Proxy | None = option(
        None,
        "url",
        "A forward proxy (HTTP CONNECT) by which all requests leave, `http://user:password@host:port`.",
        "Requests go straight out; see [egress.md](egress.md). What the environment calls a proxy is not heeded.",
    )
    https_only: bool = option(
        False, "yes or no", "Refuse endpoints with plain http URLs.", "Development and internal receivers often have no certificate."
    )
