"""The operator's own settings, read from the environment variables `OPERATOR_*`. Units are in the names."""

from typing import Annotated, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, model_validator
from pydantic_settings import SettingsConfigDict

from app.settings import EnvironmentSettings


class OperatorSettings(EnvironmentSettings):
    """The settings of one operator, which reconciles the sales of one namespace and scales one worker Deployment."""

    model_config = SettingsConfigDict(env_prefix="OPERATOR_")

    namespace: str = "default"  # the same as in `kopf run --namespace`
    identity: str = ""  # the name of this process in the Lease: the pod's name; '' makes one up
    lease: str = ""  # the Lease's name; '' acts without a Lease, for a process that is started by hand
    lease_seconds: PositiveFloat = 15.0
    retry_period_seconds: PositiveFloat = 5.0
    # The leader stops acting after so long without a renewal. The official election requires more than 1.2 times
    # RETRY_SECONDS of leader_election.py.
    renew_deadline_seconds: Annotated[float, Field(gt=1.2)] = 10.0
    workers: str = ""  # the name of the worker Deployment; '' disables scaling
    min_workers: NonNegativeInt = 1
    max_workers: NonNegativeInt = 10
    stabilization_seconds: NonNegativeFloat = 60.0  # scale-down waits until no larger size was desired for so long
    poll_seconds: PositiveFloat = 2.0  # a backlog is seen within this time; counters are written no more often
    resync_seconds: PositiveFloat = 30.0  # a resource that the watch missed is found within this time
    absence_grace_seconds: PositiveFloat = 300.0  # a sale whose resource is in no list for so long ends
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0  # 0 disables the metrics
    sales_at_once: Annotated[int, Field(ge=1, le=50)] = 8  # reconciled in parallel; each holds up to two connections

    @model_validator(mode="after")
    def _stops_before_another_starts(self) -> Self:
        if not self.retry_period_seconds < self.renew_deadline_seconds < self.lease_seconds:
            raise ValueError(
                "OPERATOR_RETRY_PERIOD_SECONDS < OPERATOR_RENEW_DEADLINE_SECONDS < OPERATOR_LEASE_SECONDS must hold"
            )
        return self
