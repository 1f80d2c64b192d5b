"""The names by which traces are found: the scope of this project's spans, and the attributes that they share."""

SCOPE = "atomictickets"
CHANGED = "atomictickets.changed"
"""True on a span that changed something outside this process."""
OUTCOME = "atomictickets.outcome"
