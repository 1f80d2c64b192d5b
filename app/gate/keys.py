"""The keys of a sale: their types, who writes them, and how long they live.

All keys of a sale share one hash tag, so that one script can use them on a Redis Cluster too.

`<prefix>:{<sale>}:sale`               hash: terms, counters and fence. Written by the scripts. The reconciler removes
                                       it when the sale has ended and is drained
`<prefix>:{<sale>}:orders`             stream with the group `ledger`: reserve adds an entry, acknowledge deletes it
                                       when its booking is committed. Lives as long as the hash
`<prefix>:{<sale>}:answers:<round>`    hash: `<customer> <key>` to the order as app.gate.answers describes it. Lives
                                       until GATE_ANSWER_LIFE_SECONDS after the sale closed, ended or was reset. The
                                       script that creates this key or one of the next two takes that time from the
                                       sale's hash; a reset or the removal sets it at the latest
`<prefix>:{<sale>}:customers:<round>`  hash: customer to tickets held, if the sale has a limit. Lives as the answers
`<prefix>:{<sale>}:released:<round>`   set of reservation ids whose tickets were given back. Lives as the answers
`<prefix>:{<sale>}:sale:wait`          string: empty. Written for WAIT (app.gate.replicas), and never read. Lives 1 s
`<prefix>:instance`                    string: the id of the installation, which the ledger holds too. Never expires
"""

from dataclasses import dataclass

GROUP = "ledger"


def instance_key(prefix: str) -> str:
    """Return the key of the installation's id."""
    return f"{prefix}:instance"


def key_of_sale(prefix: str, sale: str, suffix: str) -> str:
    """Return the key `<prefix>:{<sale>}:<suffix>`. The braces are the hash tag."""
    return f"{prefix}:{{{sale}}}:{suffix}"


@dataclass(frozen=True, slots=True)
class SaleKeys:
    """The names of one sale's keys."""

    prefix: str
    name: str

    def _key(self, suffix: str) -> str:
        return key_of_sale(self.prefix, self.name, suffix)

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
