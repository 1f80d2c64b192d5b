"""Routes with which the dashboard controls the processes of a lab. They exist only in a lab on loopback."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict

from app.api.admin import require_admin
from app.api.bodies import json_only
from app.api.errors import BodyTooLarge, InvalidRequest, NotFound, NotJson, Unauthorized
from app.api.lab_control import Fault, LabControl, is_loopback
from app.api.problems import problems
from app.errors import TemporarilyUnavailable


class LabOut(BaseModel):
    """The state of the lab. `faults` can be requested now; the lab carries out a request within a second.

    `race_reports`: the names of the reports of its races, the newest first
    """

    drain_paused: bool = False
    faults: list[Fault] = []
    processes: list[dict[str, Any]] = []
    race_reports: list[str] = []


class FaultIn(BaseModel):
    """A fault to carry out."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"fault": "stop-worker"}]})

    fault: Fault


async def require_loopback(request: Request) -> None:
    """Raise NotFound unless both the peer and the `Host` header are loopback.

    A foreign host name comes from a page of another site whose name resolves to this machine (DNS rebinding).
    """
    peer = request.client.host if request.client else ""
    if not (is_loopback(peer) and is_loopback(request.url.hostname or "")):
        raise NotFound("The lab answers requests from this machine only. Use a loopback address.")


def lab_router(control: LabControl) -> APIRouter:
    """Return the routes of the lab that `control` reaches."""
    router = APIRouter(prefix="/lab", tags=["lab"], dependencies=[Depends(require_loopback)])

    @router.get("", responses=problems(NotFound))
    async def read_lab() -> LabOut:
        """Return the processes of the lab, and the faults that can be requested now."""
        return LabOut(**control.state(), race_reports=control.races.names())

    @router.get("/race", responses=problems(NotFound))
    async def read_race_report(
        name: Annotated[str, Query(description="One of `race_reports`. The default is the newest.")] = "",
    ) -> dict[str, Any]:
        """Return a report that `atomictickets race` wrote to the lab's home."""
        report = control.races.read(name or next(iter(control.races.names()), ""))
        if report is None:
            raise NotFound("There is no such report of a race in this lab. Run: atomictickets race.")
        return report

    @router.post(
        "/faults",
        status_code=202,
        dependencies=[Depends(require_admin), Depends(json_only)],
        responses=problems(NotFound, InvalidRequest, Unauthorized, NotJson, BodyTooLarge, TemporarilyUnavailable),
    )
    async def try_fault(body: FaultIn) -> FaultIn:
        """Request a fault from the process that runs the lab."""
        if not control.request(body.fault):
            raise TemporarilyUnavailable("The lab does not take requests at the moment. Check that it is running.")
        return body

    return router
