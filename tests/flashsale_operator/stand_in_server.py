"""A stand-in for the API server over HTTP, whose answers the test decides."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import kopf
from aiohttp import web
from aiohttp.test_utils import RawTestServer

from flashsale_operator.kube import KubeApi

Connect = Callable[..., KubeApi]


@asynccontextmanager
async def answering(answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> AsyncIterator[Connect]:
    """Run a server that answers so, and yield a function that returns a client of it.

    The arguments of that function are the tokens that the client gets, one at each login.
    """
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(RawTestServer(answer))

        def connect(*tokens: str) -> KubeApi:
            left = iter(tokens)
            address = f"http://{server.host}:{server.port}"
            kube = KubeApi(lambda: kopf.ConnectionInfo(server=address, token=next(left)), "shop")
            stack.push_async_callback(kube.close)
            return kube

        yield connect
