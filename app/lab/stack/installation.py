"""An installation for one measurement: its stores begin empty, and its data is removed at the end."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Self

from app.lab.stack.home import LabHome
from app.lab.stack.registry import ProcessRegistry, mark_children
from app.lab.stack.servers.ports import LOOPBACK, free_port
from app.lab.stack.service import ServicePlan, clear_metrics
from app.lab.stack.stores import Stores
from app.lab.stack.supervisor import Say, Supervisor


class Installation:
    """Embedded stores with the ledger's tables. Enter and leave it in the main thread (see app.lab.stack.supervisor).

    Entering it locks `home`. Raise ProcessFailed if another lab runs in that home.
    """

    def __init__(self, home: LabHome, say: Say) -> None:
        self.home = home
        self.registry = ProcessRegistry(home.registry)
        self.supervisor = Supervisor(self.registry, say)
        self.urls: Mapping[str, str] = {}

    def __enter__(self) -> Self:
        self.home.lock()
        try:
            self.start()
        except BaseException:  # `with` does not leave what was not entered
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.supervisor.stop()
        self.home.discard_data()
        self.home.unlock()

    def start(self) -> None:
        """Start the stores and migrate the ledger. Raise ProcessFailed."""
        self.registry.end_left_behind()
        self.home.discard_data()
        clear_metrics(self.home.metrics)
        mark_children(self.home.directory)
        stores = Stores(self.home)  # always embedded servers, whatever the environment names
        self.supervisor.start(stores.processes)
        self.urls = stores.urls
        self.supervisor.run_to_end("migrate", self.plan().migration())

    def plan(self, environment: Mapping[str, str] = MappingProxyType({})) -> ServicePlan:
        """Return a plan for the service's processes on these stores, at a free port."""
        return ServicePlan(self.home, LOOPBACK, free_port(), {**self.urls, **environment})
