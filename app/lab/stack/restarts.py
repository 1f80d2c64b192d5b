"""Decide when a process that died is started again, and when the supervisor gives up."""

from collections import deque

WINDOW_SECONDS = 60.0
MAX_DEATHS = 5  # more deaths within the window are a crash loop, which restarts would only hide
FIRST_DELAY_SECONDS = 0.25


class RestartPolicy:
    """The restarts of one process. The delay doubles with each death in the last minute: 0.25, 0.5, 1, 2, 4 s."""

    def __init__(self) -> None:
        self._deaths: deque[float] = deque()

    def delay_after_death(self, now: float) -> float | None:
        """Return the seconds to wait before the next start, or None to give up. `now` is a monotonic time."""
        self._deaths.append(now)
        while now - self._deaths[0] > WINDOW_SECONDS:
            self._deaths.popleft()
        if len(self._deaths) > MAX_DEATHS:
            return None
        return float(FIRST_DELAY_SECONDS * 2 ** (len(self._deaths) - 1))
