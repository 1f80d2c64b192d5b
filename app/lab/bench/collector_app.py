"""A collector that accepts all spans and discards them: `python -m app.lab.bench.collector_app PORT`."""

import sys

import uvicorn
from starlette.types import Receive, Scope, Send

from app.lab.stack.servers.ports import LOOPBACK


async def take(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the batch to its end, as a real collector would, and answer 200."""
    del scope
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


if __name__ == "__main__":
    uvicorn.run(
        take, host=LOOPBACK, port=int(sys.argv[1]), loop="uvloop", http="httptools", lifespan="off", log_config=None
    )
