"""An older copy of the release's PostgreSQL, which is put back in place of the newer data as a restored backup is."""

import json
from dataclasses import dataclass
from typing import Any

from app.gate.keys import SaleKeys
from app.sales.model import ReservationId
from tests.cluster.pods.shop import Shop
from tests.support.until import block_until

COPY = "/var/lib/postgresql/older"  # on the volume, beside the data
RESTORER = "restorer"
STOP_SECONDS = 70  # the pod's grace period is 60 s
# The server runs during the backup, and nobody notices. Its WAL comes with it, so the copy is of one instant.
TAKE = f"pg_basebackup --username=atomictickets --pgdata={COPY} --wal-method=stream --checkpoint=fast --no-sync"
# Before anybody else can reach the older server, it says what it has booked.
PUT_BACK = f"""
rm -rf "$PGDATA"
mv {COPY} "$PGDATA"
chmod 700 "$PGDATA"  # the volume's group has been given everything
pg_ctl start --wait --silent --log=/tmp/log --options="-c listen_addresses=''" || {{ cat /tmp/log; exit 1; }}
psql --username=atomictickets --dbname=atomictickets --tuples-only --no-align --command="$QUERY"
pg_ctl stop --wait --silent
"""


@dataclass(frozen=True, slots=True)
class LedgerCopy:
    """A copy of the bundled PostgreSQL's data. `take`, `stop_server`, `put_back` and `start_server`, in this order."""

    shop: Shop

    def take(self) -> None:
        self.shop.kubectl("exec", f"{self._server}-0", "--", "sh", "-c", TAKE)

    def stop_server(self) -> None:
        self._scale(0)
        self.shop.kubectl(
            "wait", f"pod/{self._server}-0", "--for=delete", f"--timeout={STOP_SECONDS}s", seconds=STOP_SECONDS + 10
        )

    def put_back(self) -> frozenset[str]:
        """Replace the data by the copy. Return the reservation ids of the copy's bookings."""
        kubectl = self.shop.kubectl
        kubectl.apply(self._restorer())
        block_until(lambda: self._phase() in ("Succeeded", "Failed"))
        printed = kubectl("logs", RESTORER)
        assert self._phase() == "Succeeded", printed
        kubectl("delete", "pod", RESTORER)
        return frozenset(json.loads(printed))

    def start_server(self) -> None:
        """Return when the server answers."""
        self._scale(1)
        self.shop.kubectl("rollout", "status", f"statefulset/{self._server}", "--timeout=50s")

    def _phase(self) -> str:
        return str(self.shop.kubectl.get(f"pod/{RESTORER}")["status"]["phase"])

    @property
    def _server(self) -> str:
        return self.shop.name("postgres")

    def _scale(self, replicas: int) -> None:
        self.shop.kubectl("scale", f"statefulset/{self._server}", f"--replicas={replicas}")

    def _restorer(self) -> dict[str, Any]:
        """Return a pod like the server's, with its volume."""
        spec = self.shop.kubectl.get(f"statefulset/{self._server}")["spec"]["template"]["spec"]
        (server,) = spec["containers"]
        schema = f"{self.shop.kubectl.namespace}-{self.shop.release}"
        query = f"SELECT coalesce(json_agg(reservation_id), '[]') FROM \"{schema}\".bookings WHERE status = 'booked'"  # noqa: S608  our own
        kept = {name: server[name] for name in ("name", "image", "imagePullPolicy", "securityContext", "volumeMounts")}
        container = kept | {"command": ["sh", "-ec", PUT_BACK], "env": [{"name": "QUERY", "value": query}]}
        volume = {"name": "data", "persistentVolumeClaim": {"claimName": f"data-{self._server}-0"}}
        spec |= {"containers": [container], "volumes": [*spec["volumes"], volume], "restartPolicy": "Never"}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": RESTORER}, "spec": spec}


def booked_ids(shop: Shop, *sales: str) -> set[str]:
    """Return the reservation ids of the sales' bookings."""
    names = ", ".join(f"'{sale}'" for sale in sales)
    rows = shop.rows(f"SELECT reservation_id FROM bookings WHERE sale IN ({names}) AND status = 'booked'")  # noqa: S608  our own names
    return {row["reservation_id"] for row in rows}


def waiting_ids(shop: Shop, *sales: str) -> set[str]:
    """Return the reservation ids of the orders that wait in the streams of the bundled stock server."""
    found = set()
    for sale in sales:
        orders = SaleKeys(f"{shop.kubectl.namespace}-{shop.release}", sale).orders
        command = ("valkey-cli", "--json", "XRANGE", orders, "-", "+")
        entries = json.loads(shop.kubectl("exec", f"{shop.name('valkey')}-0", "--", *command))
        for entry, parts in entries:
            fields = dict(zip(parts[::2], parts[1::2], strict=True))
            found.add(str(ReservationId(sale, int(fields["round"]), entry, fields["nonce"])))
    return found
