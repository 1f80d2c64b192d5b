"""Time limits for tests of something else: the machine runs other tests as well, and each write waits for the disk."""

from app.settings import GateSettings, LedgerSettings

PATIENT_GATE = GateSettings(connect_timeout_seconds=10, command_timeout_seconds=10, queue_seconds=10)
PATIENT_LEDGER = LedgerSettings(connect_timeout_seconds=20, statement_timeout_seconds=30)
PATIENCE = {
    "GATE_CONNECT_TIMEOUT_SECONDS": "10",
    "GATE_COMMAND_TIMEOUT_SECONDS": "10",
    "GATE_QUEUE_SECONDS": "10",
    "LEDGER_CONNECT_TIMEOUT_SECONDS": "20",
    "LEDGER_STATEMENT_TIMEOUT_SECONDS": "30",
}
"""The same limits, as the environment of a process."""
