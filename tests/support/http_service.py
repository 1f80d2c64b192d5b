"""A small real HTTP server whose answers a test decides, and which keeps its requests."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

UNKNOWN = (404, {"title": "Unknown Sale", "detail": "There is no such sale."})
Answer = tuple[int, Any]  # a status, and a text or a document


@dataclass
class HttpService:
    """A server that answers each request with `answer(method, path)`.

    `requests`: method and path of each request, in order
    `authorizations`: the Authorization header of each request, or None
    """

    answer: Callable[[str, str], Answer] = lambda _method, _path: UNKNOWN
    requests: list[tuple[str, str]] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def running_http_service() -> Iterator[HttpService]:
    """Run a server on a free port, in a thread of its own."""
    service = HttpService()

    class Handler(BaseHTTPRequestHandler):
        def do(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            service.requests.append((self.command, self.path))
            service.authorizations.append(self.headers["Authorization"])
            status, document = service.answer(self.command, self.path)
            text = document.encode() if isinstance(document, str) else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do  # noqa: N815  the names that the server calls

        def log_message(self, *_: Any) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        service.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()
