"""The lab's routes exist only in a lab, and answer only requests from this machine."""

from collections.abc import Callable
from pathlib import Path

from httpx2 import AsyncClient

from app.api.lab_control import Fault, LabControl
from tests.api.conftest import Served


async def test_faults_are_asked_for_from_this_machine_alone(serve: Callable[..., Served], tmp_path: Path) -> None:
    control = LabControl(tmp_path / "control")
    control.open()
    served = serve(LAB_CONTROL_DIRECTORY=str(tmp_path / "control"))
    await served.ready()
    async with AsyncClient(base_url=served.url) as client:
        refused = await client.post("/lab/faults", json={"fault": "stop-worker"}, headers={"Host": "elsewhere.example"})
        assert (refused.status_code, control.take_requests()) == (404, [])
        form = await client.post(
            "/lab/faults", content='{"fault": "stop-worker"}', headers={"Content-Type": "text/plain"}
        )
        assert (form.status_code, control.take_requests()) == (415, [])  # a foreign page may send it without preflight
        assert (await client.post("/lab/faults", json={"fault": "set-fire"})).status_code == 422
        assert (await client.post("/lab/faults", json={"fault": "stop-worker"})).status_code == 202
        assert control.take_requests() == [Fault.STOP_WORKER]
        assert (await client.get("/lab")).json()["race_reports"] == []
        assert (await client.get("/lab/race")).status_code == 404
        control.races.directory.mkdir()
        for second in (1, 2):
            control.races.path(f"2026-01-01T00:00:0{second}").write_text(f'{{"race": {second}}}')
        assert (await client.get("/lab")).json()["race_reports"] == ["2026-01-01T00-00-02", "2026-01-01T00-00-01"]
        assert (await client.get("/lab/race")).json() == {"race": 2}
        assert (await client.get("/lab/race?name=2026-01-01T00-00-01")).json() == {"race": 1}


async def test_without_a_lab_there_is_nothing(client: AsyncClient) -> None:
    assert (await client.get("/lab")).status_code == 404
    assert (await client.post("/lab/faults", json={"fault": "stop-worker"})).status_code == 404
