"""What a page may do to the processes of a lab. These routes exist in a lab on loopback and nowhere else."""

from typing import Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict

from app.api.admin import require_admin
from app.api.bodies import json_only
from app.api.errors import BodyTooLarge, InvalidRequest, NotFound, NotJson, Unauthorized
from app.api.lab_control import Fault, LabControl, is_loopback
from app.api.problems import problems
from app.errors import TemporarilyUnavailable


class LabOut(BaseModel):
    """`faults` are those that can be tried now; they are done within a second of being asked for."""

    drain_paused: bool = False
    faults: list[Fault] = []
    parts: list[dict[str, Any]] = []
    race_report: bool = False


class FaultIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"fault": "stop-worker"}]})

    fault: Fault


async def from_this_machine(request: Request) -> None:
    """Raises NotFound. A name that isn't loopback's comes from a page of elsewhere whose name was made to lead here."""
    peer = request.client.host if request.client else ""
    if not (is_loopback(peer) and is_loopback(request.url.hostname or "")):
        raise NotFound("The lab's processes are this machine's alone.")


def router_of(control: LabControl) -> APIRouter:
    router = APIRouter(prefix="/lab", tags=["lab"], dependencies=[Depends(from_this_machine)])

    @router.get("", responses=problems(NotFound))
    async def read_lab() -> LabOut:
        """The processes of the lab, and the faults that can be tried on them."""
        return LabOut(**control.state(), race_report=control.race_report() is not None)

    @router.get("/race", responses=problems(NotFound))
    async def read_race_report() -> dict[str, Any]:
        """The report that `atomictickets race` left in the lab's home."""
        report = control.race_report()
        if report is None:
            raise NotFound("No race was run in this lab yet: atomictickets race.")
        return report

    @router.post(
        "/faults",
        status_code=202,
        dependencies=[Depends(require_admin), Depends(json_only)],
        responses=problems(NotFound, InvalidRequest, Unauthorized, NotJson, BodyTooLarge, TemporarilyUnavailable),
    )
    async def try_fault(body: FaultIn) -> FaultIn:
        """Asks the lab's own process for it."""
        if not control.request(body.fault):
            raise TemporarilyUnavailable("The lab takes no requests just now; is it stopped?")
        return body

    return router
