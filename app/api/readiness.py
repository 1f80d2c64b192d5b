"""Whether this process may be sent requests."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import structlog

from app.api.errors import NotReady

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0  # a store that comes back is noticed within this
PROBE_SECONDS = 1.0

Check = Callable[[], Awaitable[None]]

log = structlog.get_logger()


class Readiness:
    """Ready once every check has passed; from then on only draining ends it.

    The loss of a store is no reason: all replicas would leave the load balancer at once, and buyers would meet
    a refused connection where they now meet a 503 that tells them when to come back.
    """

    def __init__(self) -> None:
        self._checks: Mapping[str, Check] = {}
        self.waiting_for: dict[str, str] = {}
        self.started = False
        self.draining = False

    async def become_ready(self, checks: Mapping[str, Check]) -> None:
        """Repeats each check, in order, until it passes. An order, since one may rely on what another has prepared."""
        self._checks = checks
        self.waiting_for = dict.fromkeys(checks, "not asked yet")
        for name, check in checks.items():
            pause = FIRST_PAUSE_SECONDS
            while not await self._passes(name, check):
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            del self.waiting_for[name]
        self.started = True
        log.info("ready")

    def require(self) -> None:
        """Raises NotReady before the first time that everything was in place."""
        if not self.started:
            raise NotReady("The service is starting; nothing was taken.")

    def reason(self) -> str:
        return "; ".join(f"{name}: {why}" for name, why in self.waiting_for.items())

    async def dependencies(self) -> dict[str, str]:
        """What each check says at this moment: 'ok', or why not."""
        states = await asyncio.gather(*map(_state, self._checks.values()))
        return dict(zip(self._checks, states, strict=True))

    async def _passes(self, name: str, check: Check) -> bool:
        state = await _state(check)
        if state != self.waiting_for[name] and state != "ok":
            log.warning("not ready yet", waiting_for=name, why=state)
        self.waiting_for[name] = state
        return state == "ok"


async def _state(check: Check) -> str:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            await check()
    except TimeoutError:
        return f"no answer within {PROBE_SECONDS:g} s"
    except Exception as error:  # noqa: BLE001  whatever a store's driver raises is the reason that is told and logged
        return str(error) or type(error).__name__
    return "ok"


async def stop(task: asyncio.Task[None]) -> None:
    """Ends the background task of `become_ready`."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
