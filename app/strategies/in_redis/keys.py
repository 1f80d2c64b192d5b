"""Every Redis key of the strategies that use Redis without the gate: its type, its owner and its lifetime.

All of them expire: a week after the last purchase, or within seconds. Redis may also lose them at any time; the
docstring of the strategy says what that does to a sale.

`<prefix>:{<sale>}:counter:<round>`        hash: `stock`, `left`. redis-decr and redis-watch; made from the ledger by
                                           `seed`. Lives a week after the last purchase
`<prefix>:{<sale>}:prefilter:<round>`      string: tickets for which purchases may still ask the ledger. gate-and-guard;
                                           made from the ledger by `admit`. Lives one second, used or not
`<prefix>:{<sale>}:lock`                   string: the holder's random value. redis-lock and redis-lock-fenced;
                                           deleted by its holder. Lives two seconds
`<prefix>:{<sale>}:lock-token`             string: the newest token. redis-lock-fenced; the ledger has the highest one
                                           that was used. Lives a week after the last purchase
`<prefix>:{<sale>}:standalone`             hash: terms and counters of the present round. lua-fire-and-forget; made from
                                           the ledger by `follow`, which deletes the next three if a new round begins.
                                           These four live a week after the last purchase
`<prefix>:{<sale>}:standalone-answers`     hash: `<customer> <key>` to `<entry> <nonce> <quantity>`
`<prefix>:{<sale>}:standalone-customers`   hash: customer to tickets, if the sale has a limit
`<prefix>:{<sale>}:standalone-orders`      hash: entry to nonce, of every accepted order
"""

from dataclasses import dataclass

from app.gate.keys import key_of_sale

LIFE_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class RedisKeys:
    """The keys of one sale."""

    prefix: str
    sale: str

    def _key(self, suffix: str) -> str:
        return key_of_sale(self.prefix, self.sale, suffix)

    def counter(self, round_: int) -> str:
        return self._key(f"counter:{round_}")

    def prefilter(self, round_: int) -> str:
        return self._key(f"prefilter:{round_}")

    @property
    def lock(self) -> str:
        return self._key("lock")

    @property
    def lock_token(self) -> str:
        return self._key("lock-token")

    @property
    def standalone(self) -> tuple[str, str, str, str]:
        """Return the keys of the standalone counter, its answers, its customers and its orders."""
        return (
            self._key("standalone"),
            self._key("standalone-answers"),
            self._key("standalone-customers"),
            self._key("standalone-orders"),
        )
