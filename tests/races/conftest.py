import pytest


@pytest.fixture(autouse=True)
def patient_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recorder that is closed stores what it has, however long the disk takes."""
    monkeypatch.setattr("app.races.recorder.CLOSE_SECONDS", 60.0)
