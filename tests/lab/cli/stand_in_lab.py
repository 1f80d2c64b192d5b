"""The command `lab` with real stores and stand-ins for the service's processes.

Run it as `python -m tests.lab.cli.stand_in_lab --home ...`.
"""

import sys
from collections.abc import Mapping
from functools import partial

from app.lab.cli import lab as lab_command
from app.lab.cli.main import main
from app.lab.stack.home import LabHome
from app.lab.stack.process import ChildProcess
from app.lab.stack.service import ServicePlan, listens
from app.lab.stack.supervisor import ManagedProcess

API = """
import http.server, os, socket
server = http.server.HTTPServer(("127.0.0.1", int(os.environ["API_PORT"])), http.server.BaseHTTPRequestHandler, False)
server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
server.server_bind()
server.server_activate()
server.serve_forever()
"""
# As with Celery, the worker has a child process in the same process group.
WORKER = "import subprocess; subprocess.run(['sleep', '1000'])"


class StandInPlan(ServicePlan):
    def __init__(self, home: LabHome, host: str, port: int, environment: Mapping[str, str]) -> None:
        super().__init__(home, host, port, environment)
        self.home = home

    def migration(self) -> ChildProcess:
        return self._python("migrate", "print('migrated')")

    def processes(self, *, api_processes: int, workers: int) -> list[ManagedProcess]:
        started = [self._python(f"worker-{number}", WORKER) for number in range(workers)]
        apis = [self._python(f"api-{number}", API) for number in range(api_processes)]
        return [
            *(ManagedProcess(worker.name, worker, ready=lambda: True) for worker in started),
            *(ManagedProcess(api.name, api, self.api_url, ready=partial(listens, api, self.port)) for api in apis),
        ]

    def _python(self, name: str, program: str) -> ChildProcess:
        return ChildProcess(
            name, [sys.executable, "-c", program], log=self.home.log(name), environment=self.environment
        )


if __name__ == "__main__":
    vars(lab_command)["ServicePlan"] = StandInPlan  # everything else is the real command
    sys.exit(main(["lab", *sys.argv[1:]]))
