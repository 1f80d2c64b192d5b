"""Celery's settings for the broker, made from a URL in one of the forms of app.redis_address.

Celery supports a single server and a server behind Redis Sentinels. It does not support a Redis Cluster.
"""

from ssl import CERT_REQUIRED
from typing import Any
from urllib.parse import quote

from redis.backoff import NoBackoff
from redis.retry import Retry

from app.redis_address import RedisAddress


def broker_settings(url: str, **transport_options: Any) -> dict[str, Any]:
    """Return Celery's settings for the broker at `url`, which must not be the URL of a cluster.

    `transport_options` are added to the settings under `broker_transport_options`.
    """
    address = RedisAddress.of(url)
    # Without these options Celery would not verify the certificate of a rediss:// URL.
    tls = None if address.tls is None else {"ssl_cert_reqs": CERT_REQUIRED, "ssl_check_hostname": True, **address.tls}
    if address.kind == "sentinel":
        own = {"username": address.sentinel_username, "password": address.sentinel_password}
        timeouts = {name: value for name, value in transport_options.items() if name.startswith("socket_")}
        over_tls = {} if tls is None else {"ssl": True, **tls}
        transport_options |= {
            "master_name": address.primary,
            # A Sentinel that fails is not tried again: the next Sentinel is asked instead.
            "sentinel_kwargs": own | timeouts | over_tls | {"retry": Retry(NoBackoff(), 0)},
        }
    return {
        "broker_url": ";".join(_url(address, *host) for host in address.hosts),
        "broker_use_ssl": tls or False,
        "broker_transport_options": transport_options,
    }


def _url(address: RedisAddress, host: str, port: int) -> str:
    scheme = "sentinel" if address.kind == "sentinel" else "redis" if address.tls is None else "rediss"
    account = ":".join(quote(part or "", safe="") for part in (address.username, address.password))
    bracketed = f"[{host}]" if ":" in host else host
    return f"{scheme}://{account}@{bracketed}:{port}/{address.database}"
