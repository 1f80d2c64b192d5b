"""When a process that died is started again, and when it is given up."""

from collections import deque

WINDOW_SECONDS = 60.0
MOST_DEATHS = 5  # within the window: more is a crash loop, which restarting only hides
FIRST_DELAY_SECONDS = 0.25


class RestartPolicy:
    """Doubling delays: 0.25, 0.5, 1, 2, 4 s. A process that lived through the window starts from the first again."""

    def __init__(self) -> None:
        self._deaths: deque[float] = deque()

    def delay_after_death(self, now: float) -> float | None:
        """Seconds to wait before the next start, or None when it should be given up. `now` in seconds, monotonic."""
        self._deaths.append(now)
        while now - self._deaths[0] > WINDOW_SECONDS:
            self._deaths.popleft()
        if len(self._deaths) > MOST_DEATHS:
            return None
        return float(FIRST_DELAY_SECONDS * 2 ** (len(self._deaths) - 1))
