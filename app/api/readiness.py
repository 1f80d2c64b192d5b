"""The readiness of the process: whether it may be sent requests."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import structlog

from app.api.errors import NotReady

FIRST_PAUSE_SECONDS = 0.1
MAX_PAUSE_SECONDS = 2.0  # a store that comes back is noticed within this time
CHECK_TIMEOUT_SECONDS = 1.0

Check = Callable[[], Awaitable[None]]

log = structlog.get_logger()


class Readiness:
    """The readiness of one process. It is ready once every check has passed, and then until it is asked to end.

    The loss of a store does not end readiness: all replicas would leave the load balancer at once, and buyers would get
    a refused connection instead of a 503 with `Retry-After`.
    """

    def __init__(self) -> None:
        self._checks: Mapping[str, Check] = {}
        self.waiting_for: dict[str, str] = {}
        self.started = False
        self.leaving = False

    async def become_ready(self, checks: Mapping[str, Check]) -> None:
        """Repeat each check until it passes, in the given order: a check may rely on what an earlier one prepared."""
        self._checks = checks
        self.waiting_for = dict.fromkeys(checks, "not checked yet")
        for name, check in checks.items():
            pause = FIRST_PAUSE_SECONDS
            while not await self._passes(name, check):
                await asyncio.sleep(pause)
                pause = min(2 * pause, MAX_PAUSE_SECONDS)
            del self.waiting_for[name]
        self.started = True
        log.info("ready")

    def require(self) -> None:
        """Raise NotReady if not every check has passed yet."""
        if not self.started:
            raise NotReady("The service is starting. Nothing was taken.")

    def reason(self) -> str:
        """Return what the process waits for, and why, in one line."""
        return "; ".join(f"{name}: {why}" for name, why in self.waiting_for.items())

    async def dependencies(self) -> dict[str, str]:
        """Run every check now and return its result: 'ok', or the reason why it failed."""
        states = await asyncio.gather(*map(_state, self._checks.values()))
        return dict(zip(self._checks, states, strict=True))

    async def _passes(self, name: str, check: Check) -> bool:
        state = await _state(check)
        if state != self.waiting_for[name] and state != "ok":
            log.warning("not ready yet", waiting_for=name, reason=state)
        self.waiting_for[name] = state
        return state == "ok"


async def _state(check: Check) -> str:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
            await check()
    except TimeoutError:
        return f"no answer within {CHECK_TIMEOUT_SECONDS:g} s"
    except Exception as error:  # noqa: BLE001  any error of a store's driver is reported as the reason
        return str(error) or type(error).__name__
    return "ok"


async def cancel(task: asyncio.Task[None]) -> None:
    """Cancel the task of `become_ready` and wait until it has ended."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
