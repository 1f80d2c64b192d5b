"""What the load generator reads and accepts: replies, plans, pauses."""

from typing import Any

import pytest

from app.blasts.load.buyer import MAX_PAUSE_SECONDS, pause_after
from app.blasts.load.failures import InvalidPlan, MalformedReply
from app.blasts.load.plan import LoadPlan
from app.blasts.load.wire import Reply, read_reply


@pytest.mark.parametrize(
    "option",
    [
        {"url": "https://127.0.0.1"},
        {"url": "http://"},
        {"url": "http://a b"},
        {"url": "http://host/prefix"},
        {"sale": "Drop"},
        {"sale": "drop\r\nX: 1"},
        {"key_prefix": "a b"},
        {"key_prefix": "k" * 41},
        {"path": "/buy ticket"},
        {"requests": 0},
        {"requests": 10_000_001},
        {"concurrency": 0},
        {"customers": 0},
        {"quantity": 101},
        {"retries": -1},
        {"rate": 0},
        {"seconds": 0},
        {"reply_seconds": -1},
        {"colour": "red"},
    ],
)
def test_a_plan_out_of_bounds_is_refused(option: dict[str, Any]) -> None:
    with pytest.raises(InvalidPlan):
        LoadPlan.from_json({"url": "http://127.0.0.1:8000", "sale": "drop", **option})


REPLY = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Length: 28\r\nRetry-After: 3\r\n\r\n" + b'{"type":"/problems/sold-out"}'[:28]
)


def test_a_reply_may_come_in_any_pieces() -> None:
    assert all(read_reply(REPLY[:cut], 0.0) is None for cut in range(len(REPLY)))
    reply = read_reply(REPLY, 0.0)
    assert reply is not None
    assert (reply.status, reply.problem, reply.retry_after, reply.replayed) == (400, "sold-out", 3.0, False)


@pytest.mark.parametrize(
    "received",
    [
        REPLY + b"H",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
        b"HTTP/1.1 abc\r\nContent-Length: 0\r\n\r\n",
        b"SMTP ready 200\r\nContent-Length: 0\r\n\r\n",
        b"x" * 70_000,
    ],
)
def test_what_is_no_reply_is_refused(received: bytes) -> None:
    with pytest.raises(MalformedReply):
        read_reply(received, 0.0)


@pytest.mark.parametrize(
    ("attempt", "asked", "longest"), [(1, None, 0.05), (3, None, 0.2), (20, None, 2.0), (1, b"1", 1.0)]
)
def test_pauses_double_and_are_capped(attempt: int, asked: bytes | None, longest: float) -> None:
    head = b"http/1.1 503 x" + (b"" if asked is None else b"\r\nretry-after: " + asked)
    pause = pause_after(attempt, Reply(503, head, b"", 0.0))
    assert longest / 2 <= pause <= longest


def test_a_long_retry_after_is_honoured_up_to_the_cap() -> None:
    assert pause_after(1, Reply(503, b"http/1.1 503 x\r\nretry-after: 3600", b"", 0.0)) <= MAX_PAUSE_SECONDS
