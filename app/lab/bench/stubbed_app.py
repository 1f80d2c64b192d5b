"""The service without telemetry: `python -m app.lab.bench.stubbed_app`. What tracing costs while it is off is measured
against it.

The one thing that a purchase calls of `app.telemetry` while nothing is traced is replaced by what answers a constant.
"""

from app.lab.bench.serving import serve
from app.main import create_app
from app.telemetry.sampling import Sampling

TRACE_ID = b"0" * 32


def never(self: Sampling, traceparent: bytes) -> tuple[bytes, bool]:
    del self, traceparent
    return TRACE_ID, False


if __name__ == "__main__":
    Sampling.decide = never  # type: ignore[method-assign]  # the stub
    serve(create_app(), "stubbed")
