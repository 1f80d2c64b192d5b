"""A primary, its replica, and the Sentinel that promotes it. Real servers all three."""

from redis import Redis

from app.lab.stack.servers.ports import LOOPBACK
from app.lab.stack.servers.valkey import ValkeyServer

NAME = "tickets"


class Watched:
    """`url` asks a Sentinel that is not there first, and then the one that is."""

    def __init__(self, primary: ValkeyServer, replica: ValkeyServer, port: int) -> None:
        self.primary = primary
        self.replica = replica
        self.port = port
        self.url = f"redis+sentinel://{LOOPBACK}:1,{LOOPBACK}:{port}/{NAME}"

    def knows_replica(self) -> bool:
        """Whether the Sentinel could promote somebody."""
        try:
            with Redis(LOOPBACK, self.port, decode_responses=True) as sentinel:
                (replica,) = sentinel.sentinel_slaves(NAME) or [{}]
                return bool(replica.get("master-link-status") == "ok")
        except OSError:
            return False
