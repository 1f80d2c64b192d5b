"""Assertions about two purchases that collided, made from their spans alone."""

from tests.support.received import ReceivedSpan, Spans

POD, OTHER_POD = "atomictickets.attempt.pod", "atomictickets.conflict.pod"
CONFLICT = ("atomictickets.conflict.trace_id", "atomictickets.conflict.span_id")
READ, WRITTEN = "atomictickets.stock.version_read", "atomictickets.stock.version_written"
LOST_UPDATE, WINDOW = "race.lost_update", "race.window"
Ids = tuple[str, str]
"""Trace id and span id."""


def other_of(collision: ReceivedSpan) -> Ids:
    """Return the ids of the other purchase's window, as the collision's attributes name them."""
    trace_id, span_id = (str(collision.attributes[name]) for name in CONFLICT)
    return trace_id, span_id


def both_windows(spans: Spans, first: Ids, second: Ids) -> tuple[ReceivedSpan, ReceivedSpan]:
    """Return the windows with these ids.

    Assert that both read the same version, that each wrote a different one, and that each names and links to the other.
    """
    windows = {span.ids: span for span in spans.named(WINDOW)}
    for own, other in ((first, second), (second, first)):
        collisions = spans.children(own, LOST_UPDATE)
        assert len(collisions) <= 2
        [naming] = [span for span in collisions if other_of(span) == other]
        assert naming.links == {other}
        assert naming.attributes[POD] == windows[own].attributes[POD]
        assert naming.attributes[OTHER_POD] == windows[other].attributes[POD]
    one, two = windows[first], windows[second]
    assert one.attributes[READ] == two.attributes[READ]
    assert one.attributes[WRITTEN] != two.attributes[WRITTEN]
    return one, two
