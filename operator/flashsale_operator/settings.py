"""The operator's own settings, read from the environment. Units are in the names."""

from typing import Annotated, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class OperatorSettings(BaseSettings):
    """One operator looks after the sales of one namespace, and scales one Deployment of workers."""

    model_config = SettingsConfigDict(env_prefix="OPERATOR_")

    namespace: str = "default"  # the one that `kopf run --namespace` names
    identity: str = ""  # who holds the Lease: the pod's name; '' makes one up
    lease: str = ""  # its name; '' acts without one, which is for a process started by hand
    lease_seconds: PositiveFloat = 15.0
    retry_period_seconds: PositiveFloat = 5.0
    renew_deadline_seconds: PositiveFloat = 10.0  # without a renewal for so long nothing is done any more
    workers: str = ""  # the Deployment's name; '' leaves scaling to somebody else
    min_workers: NonNegativeInt = 1
    max_workers: NonNegativeInt = 10
    stabilization_seconds: NonNegativeFloat = 60.0  # the pool shrinks when nobody has wanted it larger for so long
    poll_seconds: PositiveFloat = 2.0  # counters are written no oftener, and a backlog is seen within so long
    resync_seconds: PositiveFloat = 30.0  # a deletion that nobody saw is found within so long
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0  # 0 serves none
    sales_at_once: Annotated[int, Field(ge=1, le=50)] = 8  # each holds one connection to the ledger

    @model_validator(mode="after")
    def _stops_before_another_starts(self) -> Self:
        if not self.retry_period_seconds < self.renew_deadline_seconds < self.lease_seconds:
            raise ValueError(
                "OPERATOR_RETRY_PERIOD_SECONDS < OPERATOR_RENEW_DEADLINE_SECONDS < OPERATOR_LEASE_SECONDS must hold"
            )
        return self
