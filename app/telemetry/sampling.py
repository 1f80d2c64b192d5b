"""Which requests are traced, decided before a span is made: for most of them it never is.

An unsampled request costs 0.3 us here. The SDK's own sampler would cost five, and a span of no
account as much.
"""

import os
from dataclasses import dataclass, field
from typing import Self

import structlog

from app.settings import OtelSettings
from app.telemetry.context import TRACEPARENT

DEFAULT = "parentbased_always_on"
RATIOS = {"always_on": 1.0, "always_off": 0.0}

FIRST_HALF = os.urandom(8).hex()
"""Of the trace ids that this process makes."""

log = structlog.get_logger()


def bound(ratio: float) -> str:
    """That share of all numbers of 16 hexadecimal digits stands, as text, before it."""
    return f"{int(ratio * 2**64):016x}" if ratio < 1 else "g"


@dataclass(frozen=True, slots=True)
class Sampling:
    """`ratio` of the traces that begin here; `follows_parent`: one that began elsewhere is as was decided there."""

    ratio: float
    follows_parent: bool
    _bound: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_bound", bound(self.ratio))

    @classmethod
    def of_environment(cls) -> Self:
        """As OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG say. What can't be read is told, and is the default."""
        otel = OtelSettings()
        name = otel.traces_sampler.lower() or DEFAULT
        kind = name.removeprefix("parentbased_")
        ratio = RATIOS.get(kind)
        if kind == "traceidratio":
            ratio = _ratio(otel.traces_sampler_arg or "1")
        if ratio is None:
            argument = otel.traces_sampler_arg
            log.warning("the sampler can't be read; every trace is taken", sampler=name, argument=argument)
            return cls(1.0, follows_parent=True)
        return cls(ratio, follows_parent=kind != name)

    def decide(self, traceparent: bytes, nonce: str) -> tuple[str, bool]:
        """The request's trace id, in 32 hexadecimal digits, and whether it is sampled.

        `traceparent`: b'' for none. `nonce`: 16 random digits, which a request without a parent is named after: numbers
        of its own came to 1.8 % of the whole purchase (docs/benchmarks.md).
        """
        if traceparent:
            match = TRACEPARENT.fullmatch(traceparent)
            if match is not None:
                trace_id = match[1].decode()
                if self.follows_parent:
                    return trace_id, bool(int(match[3], 16) & 1)
                return trace_id, trace_id[16:] < self._bound
        return FIRST_HALF + nonce, nonce < self._bound


NOTHING = Sampling(0.0, follows_parent=False)
"""Of a process that exports no traces. Its requests have a trace id all the same: the caller's, or a new one."""


def _ratio(text: str) -> float | None:
    try:
        ratio = float(text)
    except ValueError:
        return None
    return ratio if 0 <= ratio <= 1 else None
