"""Stores that are not the chart's own: PostgreSQL, a stock server behind a Sentinel, and a broker, all with TLS alone.

Their passwords contain characters that a URL must encode.
"""

import base64
from pathlib import Path
from typing import Any

from tests.cluster.kubectl import Kubectl

Manifest = dict[str, Any]

LEDGER, STOCK, SENTINEL, BROKER = "ledger", "stock", "sentinel", "hints"
STRANGER = "stranger"
"""Another name of the ledger, which is not in its certificate."""
TLS = "tls"
PRIMARY = "primary"
PASSWORDS = {LEDGER: "p@ss:w/ord?1#%", STOCK: "sto:ck@/?#", BROKER: "hi/nts@#"}
VALKEY, POSTGRES = "valkey/valkey:9", "postgres:18"
USER = 999

CERTIFICATE = ("--tls-cert-file", "/tls/tls.crt", "--tls-key-file", "/tls/tls.key", "--tls-ca-cert-file", "/tls/ca.crt")
VALKEY_SERVER = (
    *("valkey-server", "--port", "0", "--tls-port", "6379", *CERTIFICATE, "--tls-auth-clients", "no"),
    *("--dir", "/data", "--save", "", "--maxmemory-policy", "noeviction", "--requirepass", "$(PASSWORD)"),
)
DURABLE = ("--appendonly", "yes", "--appendfsync", "always")
# A Sentinel rewrites its configuration, which must therefore be a file.
SENTINEL_SCRIPT = f"""cat > /data/sentinel.conf <<END
port 0
tls-port 26379
tls-cert-file /tls/tls.crt
tls-key-file /tls/tls.key
tls-ca-cert-file /tls/ca.crt
tls-auth-clients no
tls-replication yes
dir /data
sentinel resolve-hostnames yes
sentinel announce-hostnames yes
sentinel monitor {PRIMARY} {STOCK} 6379 1
sentinel auth-pass {PRIMARY} $PASSWORD
END
exec valkey-server /data/sentinel.conf --sentinel"""
POSTGRES_SERVER = ("docker-entrypoint.sh", "postgres", "-c", "ssl=on", "-c", "ssl_cert_file=/tls/tls.crt")


def set_up(kubectl: Kubectl, authority: Path) -> None:
    """Create the stores and return when all of them answer. `tests.support.tls.authority` makes `authority`."""
    files = {"ca.crt": "ca.crt", "tls.crt": "server.crt", "tls.key": "server.key"}
    kubectl.apply(
        secret(TLS, {name: (authority / file).read_bytes() for name, file in files.items()}),
        *(secret(name, {"password": password.encode()}) for name, password in PASSWORDS.items()),
        *store(STOCK, VALKEY, 6379, (*VALKEY_SERVER, *DURABLE)),
        *store(BROKER, VALKEY, 6379, (*VALKEY_SERVER, "--appendonly", "no")),
        *store(SENTINEL, VALKEY, 26379, ("sh", "-c", SENTINEL_SCRIPT), password=STOCK),
        *store(LEDGER, POSTGRES, 5432, (*POSTGRES_SERVER, "-c", "ssl_key_file=/tls/tls.key")),
        service(STRANGER, 5432, LEDGER),
    )
    for name in (LEDGER, STOCK, BROKER, SENTINEL):
        kubectl("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=60s", seconds=70)


def secret(name: str, data: dict[str, bytes]) -> Manifest:
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": encoded}


def service(name: str, port: int, pod: str) -> Manifest:
    spec = {"selector": {"store": pod}, "ports": [{"port": port}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def store(name: str, image: str, port: int, command: tuple[str, ...], *, password: str = "") -> list[Manifest]:
    """Return a pod and a Service with its name. The pod's data are lost when it ends."""
    taken = {"valueFrom": {"secretKeyRef": {"name": password or name, "key": "password"}}}
    mounts = {"tls": "/tls", "data": "/data", "database": "/var/lib/postgresql", "run": "/var/run/postgresql"}
    container = {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": command,
        "env": [
            {"name": "PASSWORD"} | taken,
            {"name": "REDISCLI_AUTH", "value": "$(PASSWORD)"},
            {"name": "POSTGRES_PASSWORD", "value": "$(PASSWORD)"},
            {"name": "POSTGRES_USER", "value": "atomictickets"},
        ],
        "readinessProbe": {"tcpSocket": {"port": port}, "periodSeconds": 1},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": volume, "mountPath": path} for volume, path in mounts.items()],
    }
    spec = {
        "containers": [container],
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 0,
        "securityContext": {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
        },
        "volumes": [
            {"name": "tls", "secret": {"secretName": TLS, "defaultMode": 0o440}},
            *({"name": volume, "emptyDir": {}} for volume in mounts if volume != "tls"),
        ],
    }
    metadata = {"name": name, "labels": {"store": name}}
    return [{"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}, service(name, port, name)]
