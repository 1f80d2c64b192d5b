"""The URL of the ledger, read as the service reads it: one server, or several of which one takes writes."""

from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from sqlalchemy import make_url
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.exc import ArgumentError

from app.ledger.sessions import servers

PORT = 5432


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerAddress:
    """The parts of such a URL. `tls`: the options of TLS by libpq's names (`sslmode`, paths of files)."""

    hosts: tuple[tuple[str, int], ...]
    user: str | None
    password: str | None = field(repr=False)
    database: str
    tls: dict[str, str]

    @classmethod
    def of(cls, text: str) -> "LedgerAddress":
        """Parse a URL. Raise ValueError if it is invalid; the text of the error contains no password."""
        try:
            url = make_url(text)
            _, parts = PGDialect_asyncpg().create_connect_args(url)  # type: ignore[no-untyped-call]  # SQLAlchemy does not type it
        except ArgumentError as error:
            raise ValueError(str(error)) from error
        hosts = tuple((each.get("host", ""), int(each.get("port") or PORT)) for each in servers(parts))
        if url.drivername.partition("+")[0] != "postgresql" or not all(host for host, _ in hosts):
            raise ValueError("it must begin with postgresql+asyncpg://[user@]host, or have a ?host=name:port")
        return cls(
            hosts=hosts,
            user=parts.get("user"),
            password=parts.get("password"),
            database=parts.get("database", ""),
            tls={
                "sslmode" if name == "ssl" else name: value  # SQLAlchemy's name is the one of asyncpg's argument
                for name, value in parts.items()
                if name.startswith("ssl")
            },
        )

    def libpq(self, *, password: bool) -> str:
        """Return the URL as psql and asyncpg take it, which then connect to the server that takes writes."""
        secret = f":{quote(self.password, safe='')}" if password and self.password else ""
        account = f"{quote(self.user, safe='')}{secret}@" if self.user else ""
        hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts)
        query = urlencode(self.tls | ({"target_session_attrs": "read-write"} if len(self.hosts) > 1 else {}))
        return f"postgresql://{account}{hosts}/{quote(self.database)}" + (f"?{query}" if query else "")
