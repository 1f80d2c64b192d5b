import pytest


@pytest.fixture(autouse=True)
def patient_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a recorder that is closed store all that it has, however long the disk takes."""
    monkeypatch.setattr("app.races.recorder.CLOSE_SECONDS", 60.0)
