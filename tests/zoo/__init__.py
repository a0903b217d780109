"""Receivers that mean harm, or break, in every way there is: each has a name, and says what an attempt at it may come to.

A cage keeps one on loopback. Who adds a kind of request to the program sends it here, too: `for beast in ZOO`.
"""

from tests.zoo.bodies import BODIES
from tests.zoo.cages import Beast, Certificates, outcome, trusting
from tests.zoo.handshakes import HANDSHAKES
from tests.zoo.heads import HEADS
from tests.zoo.redirects import REDIRECTS
from tests.zoo.stages import STAGES

ZOO: tuple[Beast, ...] = (*STAGES, *HEADS, *BODIES, *REDIRECTS, *HANDSHAKES)

__all__ = ["ZOO", "Beast", "Certificates", "outcome", "trusting"]
