"""A pod that buys from inside the cluster. It runs the project's image, but is no part of the release under test."""

import json
from dataclasses import dataclass
from typing import Any

from app.blasts.load.plan import LoadPlan
from app.blasts.load.result import LoadResult
from tests.cluster.kubectl import Kubectl

NAME = "crowd"
MAX_RECORDS = 20_000
EXEC_SECONDS = 180
REPLY_SECONDS = 30.0  # how long a buyer waits for a pod on a busy machine
IDLE = "import signal; signal.pause()"
REQUEST = """
import json, sys, urllib.error, urllib.request
method, url, token, body = json.load(sys.stdin)
request = urllib.request.Request(url, method=method, data=json.dumps(body).encode() if body is not None else None)
request.add_header("Content-Type", "application/json")
if token:
    request.add_header("Authorization", f"Bearer {token}")
try:
    with urllib.request.urlopen(request, timeout=20) as response:
        print(response.status, response.read().decode(), sep="\\n")
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode(), sep="\\n")
"""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    document: Any


@dataclass(frozen=True, slots=True)
class CrowdPod:
    kubectl: Kubectl
    image: str

    def start(self) -> None:
        self.kubectl.apply(self._pod())
        self.kubectl("wait", f"pod/{NAME}", "--for=condition=Ready", "--timeout=60s")

    def buy(
        self,
        url: str,
        sale: str,
        *,
        requests: int,
        concurrency: int = 50,
        rate: float | None = None,
        retries: int = 0,
        seconds: float = 60,
    ) -> LoadResult:
        """Send buyers, and return each one's answer when all have been answered."""
        assert requests <= MAX_RECORDS
        plan = LoadPlan(
            url=url,
            sale=sale,
            requests=requests,
            concurrency=concurrency,
            rate=rate,
            retries=retries,
            seconds=seconds,
            reply_seconds=REPLY_SECONDS,
            records=True,
        )
        printed = self._python("-m", "app.blasts.load", json.dumps(plan.as_json()))
        return LoadResult.from_json(json.loads(printed))

    def request(self, method: str, url: str, *, token: str | None = None, body: Any = None) -> Answer:
        """Send one HTTP request from the pod."""
        status, _, text = self._python("-c", REQUEST, stdin=json.dumps([method, url, token, body])).partition("\n")
        return Answer(int(status), json.loads(text))

    def _python(self, *arguments: str, stdin: str | None = None) -> str:
        options = ("--stdin",) if stdin is not None else ()
        command = ("exec", *options, NAME, "--", "python", *arguments)
        return self.kubectl(*command, stdin=stdin, seconds=EXEC_SECONDS)

    def _pod(self) -> dict[str, Any]:
        container = {
            "name": "crowd",
            "image": self.image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["python", "-c", IDLE],
            # Without a CPU request of its own it starves while other pods start, and its idle connections are closed.
            "resources": {"requests": {"cpu": "150m"}},
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
        spec = {
            "containers": [container],
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 0,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        }
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": NAME}, "spec": spec}
