"""The URLs of a Redis or Valkey: one server, one behind Sentinels, or a Redis Cluster.

`redis://[user[:password]@]host[:port][/database]`
`redis+sentinel://[user[:password]@]host[:port][,host[:port]...]/<name of the primary>[/database]`
`redis+cluster://[user[:password]@]host[:port][,host[:port]...]`

`rediss` in place of `redis` means TLS. Certificate and host name are always verified.
"""

import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

Kind = Literal["server", "sentinel", "cluster"]
KINDS: dict[str, Kind] = {"": "server", "sentinel": "sentinel", "cluster": "cluster"}
PORTS: dict[Kind, int] = {"server": 6379, "sentinel": 26379, "cluster": 6379}
TLS_OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
SENTINEL_OPTIONS = ("sentinel_username", "sentinel_password")


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisAddress:
    """The parts of such a URL.

    `hosts`: the server, the Sentinels, or some of the cluster's nodes.
    `primary`: the name of the primary at the Sentinels.
    `tls`: the options of TLS by redis-py's names (paths of files); None without TLS.
    """

    kind: Kind
    hosts: tuple[tuple[str, int], ...]
    database: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    primary: str = ""
    tls: dict[str, str] | None = None
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, url: str) -> "RedisAddress":
        """Parse a URL. Raise ValueError if it is invalid; the text of the error contains no password."""
        scheme, netloc, rest = _split(url)
        parts = urlsplit(f"{scheme}://host{rest}")
        protocol, _, variant = parts.scheme.partition("+")
        if protocol not in ("redis", "rediss") or variant not in KINDS:
            raise ValueError("a Redis URL begins with redis:// or rediss://, redis+sentinel:// or redis+cluster://")
        kind, tls = KINDS[variant], protocol == "rediss"
        options = _options(parts, (*(TLS_OPTIONS if tls else ()), *(SENTINEL_OPTIONS if kind == "sentinel" else ())))
        account, _, hosts = netloc.rpartition("@")
        username, _, password = account.partition(":")
        primary, database = _path(parts.path, kind)
        return cls(
            kind=kind,
            hosts=tuple(_host(host, PORTS[kind]) for host in hosts.split(",")),
            database=database,
            username=unquote(username) or None,
            password=unquote(password) or None,
            primary=primary,
            tls={name: options[name] for name in TLS_OPTIONS if name in options} if tls else None,
            sentinel_username=options.get("sentinel_username"),
            sentinel_password=options.get("sentinel_password"),
        )


def with_password(url: str, password: str | None) -> str:
    """Return the URL with this password, unless it has one of its own."""
    scheme, netloc, rest = _split(url)
    account, _, hosts = netloc.rpartition("@")
    username, _, own = account.partition(":")
    if own or not password:
        return url
    return f"{scheme}://{username}:{quote(password, safe='')}@{hosts}{rest}"


def _split(url: str) -> tuple[str, str, str]:
    """Return the scheme, the account with the hosts, and the rest.

    Python's own parser rejects a list of hosts that contains `[`.
    """
    scheme, _, after = url.partition("://")
    netloc = re.split("[/?#]", after, maxsplit=1)[0]
    return scheme, netloc, after[len(netloc) :]


def _options(parts: SplitResult, known: tuple[str, ...]) -> dict[str, str]:
    """Return the query's parameters. Raise ValueError if one is unknown."""
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := [name for name in options if name not in known]:
        known_here = ", ".join(known) or "none"
        raise ValueError(f"{parts.scheme}:// has no parameter {', '.join(unknown)}; it has: {known_here}")
    return options


def _host(text: str, default_port: int) -> tuple[str, int]:
    """Return host and port. Raise ValueError if there is no valid host."""
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port or default_port
    except ValueError:
        host, port = None, 0  # the library's text might contain a password that was not percent-encoded
    if not host:
        raise ValueError("the URL names no host and port; special characters of a password must be percent-encoded")
    return host, port


def _path(path: str, kind: Kind) -> tuple[str, int]:
    """Return the name of the primary and the database. Raise ValueError if they do not fit the kind."""
    steps = [unquote(step) for step in path.strip("/").split("/") if step]
    primary = steps.pop(0) if kind == "sentinel" and steps else ""
    if kind == "sentinel" and not primary:
        raise ValueError("the URL needs the primary's name at the Sentinels: redis+sentinel://host/<name>")
    if len(steps) > 1 or not all(step.isdecimal() for step in steps):
        raise ValueError("the path after the host is not a database's number")
    database = int(steps[0]) if steps else 0
    if kind == "cluster" and database:
        raise ValueError("a Redis Cluster has database 0 only")
    return primary, database
