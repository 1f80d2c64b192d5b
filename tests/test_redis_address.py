"""The forms of a Redis URL, the URLs that are refused, and that errors show no password."""

from urllib.parse import quote

import pytest

from app.drain.broker import broker_settings
from app.redis_address import RedisAddress
from app.settings import InvalidSettings, StoreSettings

PASSWORD = "p@ss:w/or?d#1%&é [x]"  # noqa: S105  an invented one


@pytest.mark.parametrize(
    ("url", "kind", "hosts"),
    [
        ("redis://stock", "server", [("stock", 6379)]),
        ("rediss://app:secret@[::1]:6380/3?ssl_ca_certs=/ca.crt", "server", [("::1", 6380)]),
        ("redis+sentinel://a,b:26380,[::1]/tickets/2", "sentinel", [("a", 26379), ("b", 26380), ("::1", 26379)]),
        ("rediss+cluster://:secret@a:7000,b:7001/0", "cluster", [("a", 7000), ("b", 7001)]),
    ],
)
def test_the_forms(url: str, kind: str, hosts: list[tuple[str, int]]) -> None:
    address = RedisAddress.of(url)
    assert (address.kind, list(address.hosts)) == (kind, hosts)
    assert (address.tls is not None) == url.startswith("rediss")


def test_a_sentinel_url_has_two_accounts_a_primary_and_a_database() -> None:
    url = f"rediss+sentinel://app:{quote(PASSWORD, safe='')}@a/tickets/2?sentinel_password=other&ssl_certfile=/c.crt"
    address = RedisAddress.of(url)
    assert (address.username, address.password, address.sentinel_password) == ("app", PASSWORD, "other")
    assert (address.primary, address.database, address.tls) == ("tickets", 2, {"ssl_certfile": "/c.crt"})


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://stock", "begins with redis:// or rediss://"),
        ("redis+ring://stock", "begins with redis:// or rediss://"),
        ("unix:///tmp/redis.sock", "begins with redis:// or rediss://"),
        ("redis://", "names no host"),
        ("redis://stock:six", "names no host and port"),
        ("redis://:half#secret@stock", "must be percent-encoded"),
        ("redis://:[half]secret#x@stock", "must be percent-encoded"),
        ("redis://:half#\u2100secret@stock", "must be percent-encoded"),
        ("redis://stock/zero", "not a database's number"),
        ("redis://stock/0/1", "not a database's number"),
        ("redis+sentinel://a,b", "needs the primary's name"),
        ("redis+cluster://a/1", "database 0 only"),
        ("redis://stock?ssl_ca_certs=/ca.crt", "no parameter ssl_ca_certs; it has: none"),
        ("rediss://stock?ssl_cert_reqs=none", "no parameter ssl_cert_reqs; it has: ssl_ca_certs, "),
    ],
)
def test_what_is_refused_and_why(url: str, why: str) -> None:
    with pytest.raises(InvalidSettings, match=why) as refused:
        StoreSettings(redis_url=url)
    assert "REDIS_URL: " in str(refused.value)
    assert "half" not in str(refused.value)


def test_a_cluster_is_no_broker() -> None:
    with pytest.raises(InvalidSettings, match="Celery can't use a Redis Cluster"):
        StoreSettings(broker_url="redis+cluster://a")


@pytest.mark.parametrize("url", ["redis://app@stock/1", "redis://stock/1", "redis+sentinel://app@a,b/tickets"])
def test_a_password_that_is_given_apart_goes_into_the_url(url: str) -> None:
    settings = StoreSettings(redis_url=url, redis_password=PASSWORD, broker_url=url, broker_password=PASSWORD)
    for url_with_password in (settings.redis_url, settings.broker_url):
        before, after = RedisAddress.of(url), RedisAddress.of(url_with_password)
        assert after.password == PASSWORD
        assert (after.username, after.hosts, after.database) == (before.username, before.hosts, before.database)
    assert PASSWORD not in str(settings)


def test_a_password_in_the_url_comes_first() -> None:
    settings = StoreSettings(redis_url="redis://:own@stock", redis_password="other")  # noqa: S106  of no server
    assert RedisAddress.of(settings.redis_url).password == "own"  # noqa: S105  the same


def test_the_broker_verifies_who_answers() -> None:
    """By default Celery accepts any certificate."""
    plain, tls = broker_settings("redis://broker"), broker_settings("rediss://broker?ssl_ca_certs=/ca.crt")
    assert plain["broker_use_ssl"] is False
    assert (tls["broker_use_ssl"]["ssl_cert_reqs"].name, tls["broker_use_ssl"]["ssl_ca_certs"]) == (
        "CERT_REQUIRED",
        "/ca.crt",
    )
