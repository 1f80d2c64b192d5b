"""Time limits for tests of something else: the machine runs other tests as well, and each write waits for the disk."""

from pydantic_settings import BaseSettings

from app.settings import GateSettings, LedgerSettings


def environment(settings: BaseSettings) -> dict[str, str]:
    """Return the environment variables of a process for the values that were set."""
    prefix = settings.model_config["env_prefix"]
    return {f"{prefix}{name}".upper(): str(value) for name, value in settings.model_dump(exclude_unset=True).items()}


PATIENT_GATE = GateSettings(connect_timeout_seconds=10, command_timeout_seconds=10, queue_seconds=10)
PATIENT_LEDGER = LedgerSettings(connect_timeout_seconds=20, statement_timeout_seconds=30)
PATIENCE = environment(PATIENT_GATE) | environment(PATIENT_LEDGER)
"""The same limits, as the environment of a process."""
