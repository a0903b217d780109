"""Settings: `settings` has all options together, `values` how each is read, `mistakes` what is said about what cannot be right."""

from hookwright.config.mistakes import PREFIX
from hookwright.config.settings import SHORTEST_SOUND_SECRET, Settings, is_loopback

__all__ = ["PREFIX", "SHORTEST_SOUND_SECRET", "Settings", "is_loopback"]
