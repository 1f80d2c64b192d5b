"""SIGKILL for all processes of a pod, sent from outside it.

Inside a container no process can send SIGKILL to process 1, and a forced deletion still sends SIGTERM first. So a
privileged pod that sees the node's processes sends it, which works on kind as on any other cluster.
"""

from dataclasses import dataclass
from typing import Any

from tests.cluster.kubectl import Kubectl

IDLE = "import signal; signal.pause()"
KILL = """
import os, pathlib, signal, sys
names = {sys.argv[1], sys.argv[1].replace("-", "_")}
killed = []
for process in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        cgroup = (process / "cgroup").read_text()
        program = (process / "cmdline").read_bytes()
        if any(name in cgroup for name in names) and not program.startswith(b"/pause"):
            os.kill(int(process.name), signal.SIGKILL)
            killed.append(program.decode(errors="replace"))
    except (FileNotFoundError, ProcessLookupError):
        pass
print(len(killed))
"""


@dataclass(frozen=True, slots=True)
class Killer:
    """Privileged pods, one on each node that needs one. `kubectl` is in a namespace that allows them."""

    kubectl: Kubectl
    image: str

    def kill(self, pod: dict[str, Any]) -> None:
        name = self._pod_on(pod["spec"]["nodeName"])
        killed = self.kubectl("exec", name, "--", "python", "-c", KILL, pod["metadata"]["uid"])
        assert int(killed) > 0, f"{pod['metadata']['name']} had no process on {pod['spec']['nodeName']}"

    def prepare(self, node: str) -> None:
        """Start the pod on this node, so that a later kill takes effect at once."""
        self._pod_on(node)

    def _pod_on(self, node: str) -> str:
        name = f"killer-{node}"
        container = {
            "name": "killer",
            "image": self.image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["python", "-c", IDLE],
            "securityContext": {"privileged": True, "runAsUser": 0},
        }
        spec = {"containers": [container], "nodeName": node, "hostPID": True, "terminationGracePeriodSeconds": 0}
        self.kubectl.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})
        self.kubectl("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=60s")
        return name
