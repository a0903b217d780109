"""Whether speed decays as tables grow: databases filled to any size, and the same operations on a small and a large one."""
