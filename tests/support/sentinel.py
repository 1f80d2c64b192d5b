"""A primary, its replica, and the Sentinel that promotes the replica. All three are real servers."""

from redis import Redis

from app.lab.stack.servers.ports import LOOPBACK
from app.lab.stack.servers.valkey import ValkeyServer

NAME = "tickets"


class SentinelGroup:
    """The three servers. `url` names two Sentinels: the first does not exist, the second is the real one."""

    def __init__(self, primary: ValkeyServer, replica: ValkeyServer, port: int) -> None:
        self.primary = primary
        self.replica = replica
        self.port = port
        self.url = f"redis+sentinel://{LOOPBACK}:1,{LOOPBACK}:{port}/{NAME}"

    def knows_replica(self) -> bool:
        """Return whether the Sentinel knows a replica that it could promote."""
        try:
            with Redis(LOOPBACK, self.port, decode_responses=True) as sentinel:
                (replica,) = sentinel.sentinel_slaves(NAME) or [{}]
                return bool(replica.get("master-link-status") == "ok")
        except OSError:
            return False

    def names_replica(self) -> bool:
        """Return whether the Sentinel names the replica as the primary."""
        with Redis(LOOPBACK, self.port, decode_responses=True) as sentinel:
            return bool(sentinel.sentinel_get_master_addr_by_name(NAME) == (LOOPBACK, self.replica.port))

    def split(self) -> None:
        """Let the Sentinel name the replica, and let the old primary go on unaware of it."""
        with Redis.from_url(self.replica.url) as replica, Redis(LOOPBACK, self.port) as sentinel:
            replica.replicaof("NO", "ONE")
            sentinel.sentinel_remove(NAME)
            sentinel.sentinel_monitor(NAME, LOOPBACK, self.replica.port, 1)
