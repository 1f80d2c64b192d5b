"""The broker as Celery is told of it. Beside one server Celery knows Sentinels; a Redis Cluster it does not know."""

from ssl import CERT_REQUIRED
from typing import Any
from urllib.parse import quote

from redis.backoff import NoBackoff
from redis.retry import Retry

from app.redis_address import RedisAddress


def broker_settings(url: str, **transport_options: Any) -> dict[str, Any]:
    """Celery's settings for a broker at `url`, one of app.redis_address but for a cluster."""
    address = RedisAddress.of(url)
    # Left to itself Celery would not verify the certificate of a rediss:// URL.
    tls = None if address.tls is None else {"ssl_cert_reqs": CERT_REQUIRED, "ssl_check_hostname": True, **address.tls}
    if address.kind == "sentinel":
        own = {"username": address.sentinel_username, "password": address.sentinel_password}
        timeouts = {name: value for name, value in transport_options.items() if name.startswith("socket_")}
        over_tls = {} if tls is None else {"ssl": True, **tls}
        transport_options |= {
            "master_name": address.primary,
            # Without a retry of their own: the next Sentinel is asked instead.
            "sentinel_kwargs": own | timeouts | over_tls | {"retry": Retry(NoBackoff(), 0)},
        }
    return {
        "broker_url": ";".join(_url(address, *host) for host in address.hosts),
        "broker_use_ssl": tls or False,
        "broker_transport_options": transport_options,
    }


def _url(address: RedisAddress, host: str, port: int) -> str:
    scheme = "sentinel" if address.kind == "sentinel" else "redis" if address.tls is None else "rediss"
    account = ":".join(quote(each or "", safe="") for each in (address.username, address.password))
    bracketed = f"[{host}]" if ":" in host else host
    return f"{scheme}://{account}@{bracketed}:{port}/{address.database}"
