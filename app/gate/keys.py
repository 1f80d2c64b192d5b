"""Every key of a sale, its type, its owner and how long it lives.

All keys of a sale share one hash tag, so that one script reaches them on a Redis Cluster too.

`<prefix>:{<sale>}:sale`               hash: terms, counters and fence. Written by the scripts; unlinked by the
                                       reconciliation when the sale has ended and is drained
`<prefix>:{<sale>}:orders`             stream with the group `ledger`: reserve adds an entry, acknowledge deletes it
                                       when its booking is committed. Lives as long as the hash
`<prefix>:{<sale>}:answers:<round>`    hash: `<customer> <key>` to `<entry> <nonce> <quantity>`. Lives until 24 h after
                                       the sale closed, ended or was reset: the sale's hash says so, for whoever makes
                                       these three; a reset or the removal at the latest
`<prefix>:{<sale>}:customers:<round>`  hash: customer to tickets held, where the sale has a limit. Lives as the answers
`<prefix>:{<sale>}:released:<round>`   set of reservation ids whose tickets came back. Lives as the answers
`<prefix>:instance`                    string: the id of the installation, which the ledger holds too. Has no end
"""

from dataclasses import dataclass

GROUP = "ledger"
ANSWER_LIFE_SECONDS = 24 * 3600  # as long as Stripe keeps an idempotency key at least


def instance_key(prefix: str) -> str:
    """The id of the installation; the ledger holds the same one."""
    return f"{prefix}:instance"


def key_of_sale(prefix: str, sale: str, what: str) -> str:
    """The braces are the hash tag."""
    return f"{prefix}:{{{sale}}}:{what}"


@dataclass(frozen=True, slots=True)
class SaleKeys:
    """The keys of one sale."""

    prefix: str
    name: str

    def _key(self, what: str) -> str:
        return key_of_sale(self.prefix, self.name, what)

    @property
    def sale(self) -> str:
        return self._key("sale")

    @property
    def orders(self) -> str:
        return self._key("orders")

    def answers(self, round_: int) -> str:
        return self._key(f"answers:{round_}")

    def customers(self, round_: int) -> str:
        return self._key(f"customers:{round_}")

    def released(self, round_: int) -> str:
        return self._key(f"released:{round_}")
