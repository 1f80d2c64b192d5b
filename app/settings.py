"""Settings, read from the environment, and nowhere else. One class per concern; units are in the names."""

import socket
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, PositiveFloat, PositiveInt, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.redis_address import RedisAddress, with_password
from app.sales.model import MAX_THINK_MS, THINK_MS


class ProcessSettings(BaseSettings):
    """What every process is told of itself and of where it runs."""

    model_config = SettingsConfigDict(env_ignore_empty=True)

    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(str.upper)] = "INFO"
    pod_name: str = Field(default_factory=socket.gethostname)  # how attempts name where they were made
    prometheus_multiproc_dir: Path | None = None  # shared by the processes of one host; read by prometheus-client too
    failpoints: Path | None = None  # see app.failpoints
    alembic_config: Path | None = None  # the migrations' alembic.ini, if it is not where the release has it


class ProbeSettings(BaseSettings):
    """How a process without HTTP tells that it works. Each has a prefix of its own: `ProbeSettings.of("WORKER_")`."""

    model_config = SettingsConfigDict(env_ignore_empty=True)

    probe_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    ready_file: Path | None = None

    @classmethod
    def of(cls, prefix: str) -> Self:
        return cls(_env_prefix=prefix)


class StoreSettings(BaseSettings):
    """Where the stores are. The broker is a logical server of its own, so that a flooded queue can't hurt the stock.

    The forms of a URL are told in app.redis_address. A password may be given apart, where nobody can percent-encode it.
    """

    model_config = SettingsConfigDict(hide_input_in_errors=True)  # a URL may hold a password

    redis_url: str = "redis://127.0.0.1:6379/0"
    redis_password: SecretStr | None = None
    broker_url: str = "redis://127.0.0.1:6379/1"
    broker_password: SecretStr | None = None
    database_url: str = "postgresql+asyncpg://postgres@127.0.0.1:5432/atomictickets"

    @field_validator("redis_url")
    @classmethod
    def _leads_somewhere(cls, url: str) -> str:
        RedisAddress.of(url)
        return url

    @field_validator("broker_url")
    @classmethod
    def _leads_to_a_broker(cls, url: str) -> str:
        if RedisAddress.of(url).kind == "cluster":
            raise ValueError("Celery can't use a Redis Cluster as its broker; name one server, or Sentinels")
        return url

    @model_validator(mode="after")
    def _insert_passwords(self) -> Self:
        self.redis_url = with_password(self.redis_url, _secret(self.redis_password))
        self.broker_url = with_password(self.broker_url, _secret(self.broker_password))
        return self


class GivenStores(BaseSettings):
    """The servers that the user of a lab names; an empty one is for the lab to start."""

    redis_url: str = ""
    broker_url: str = ""
    database_url: str = ""

    def by_variable(self) -> dict[str, str]:
        return {"REDIS_URL": self.redis_url, "BROKER_URL": self.broker_url, "DATABASE_URL": self.database_url}


class GateSettings(BaseSettings):
    """The stock server as one process sees it."""

    model_config = SettingsConfigDict(env_prefix="GATE_")

    key_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = "atomictickets"
    connect_timeout_seconds: PositiveFloat = 0.5
    command_timeout_seconds: PositiveFloat = 1.0
    max_connections: PositiveInt = 16
    batch_purchases: Annotated[int, Field(ge=1, le=128)] = 128  # 6.6 us each in the server: 128 hold it for 0.8 ms
    batches_in_flight: PositiveInt = 2  # per process and sale: one on the wire while one is decided
    queue_purchases: PositiveInt = 4096  # per process and sale; beyond it a buyer is told at once to come back
    queue_seconds: PositiveFloat = 2.0  # a purchase still unsent after this leaves the queue untaken


class LedgerSettings(BaseSettings):
    """Postgres as one process sees it."""

    model_config = SettingsConfigDict(env_prefix="LEDGER_")

    # Two installations may share a database. Postgres cuts longer names off.
    schema_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,63}$")] = "public"
    pool_size: PositiveInt = 20  # the naive strategy holds a connection while it thinks
    connect_timeout_seconds: PositiveFloat = 2.0
    statement_timeout_seconds: PositiveFloat = 3.0  # shorter than DRAIN_CLAIM_IDLE_SECONDS: a stuck batch dies first


class SaleSettings(BaseSettings):
    """What a sale has where its terms say nothing."""

    model_config = SettingsConfigDict(env_prefix="SALE_")

    think_ms: Annotated[int, Field(ge=0, le=MAX_THINK_MS)] = THINK_MS


class DrainSettings(BaseSettings):
    """How accepted orders reach the ledger."""

    model_config = SettingsConfigDict(env_prefix="DRAIN_")

    batch_orders: Annotated[int, Field(ge=1, le=5000)] = 500
    task_seconds: PositiveFloat = 2.0  # a task works this long at most, then hints again
    sweep_seconds: PositiveFloat = 2.0  # every worker looks by itself, without broker or beat
    claim_idle_seconds: PositiveFloat = 5.0
    poison_tries: PositiveInt = 3  # an entry that fails alone this often is set aside


class ReconcileSettings(BaseSettings):
    """How often, and how patiently, Redis is compared with the ledger."""

    model_config = SettingsConfigDict(env_prefix="RECONCILE_")

    interval_seconds: PositiveFloat = 2.0
    grace_seconds: PositiveFloat = 10.0
    policy: Literal["RepairSafe", "Observe"] = "RepairSafe"
    retention_days: Annotated[int, Field(ge=1, le=36_500)] = 30


class ApiSettings(BaseSettings):
    """The HTTP edge of one process."""

    model_config = SettingsConfigDict(env_prefix="API_")

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    url: str = "http://127.0.0.1:8000"  # where blasts are sent; never an address a caller names
    admin_token: Annotated[SecretStr, Field(min_length=1)] | None = None  # an empty one would open what it should close
    shutdown_delay_seconds: Annotated[float, Field(ge=0)] = 0.0  # after SIGTERM: time for a load balancer to look away
    graceful_seconds: PositiveInt = 5
    body_limit_bytes: PositiveInt = 16_384

    @property
    def token(self) -> str | None:
        """The admin token in clear."""
        return _secret(self.admin_token)


class LabSettings(BaseSettings):
    """How an API process reaches the lab that started it; unset outside a lab on loopback."""

    model_config = SettingsConfigDict(env_prefix="LAB_", env_ignore_empty=True)

    control_directory: Path | None = None


class OtelSettings(BaseSettings):
    """The variables of OpenTelemetry that decide whether and what is traced; its SDK reads the others by itself."""

    model_config = SettingsConfigDict(env_prefix="OTEL_", str_strip_whitespace=True)

    sdk_disabled: str = ""
    traces_exporter: str = ""
    exporter_otlp_endpoint: str = ""
    exporter_otlp_traces_endpoint: str = ""
    exporter_otlp_protocol: str = ""
    exporter_otlp_traces_protocol: str = ""
    traces_sampler: str = ""
    traces_sampler_arg: str = ""


class KubernetesSettings(BaseSettings):
    """Where a pod finds the API server of its cluster."""

    model_config = SettingsConfigDict(env_prefix="KUBERNETES_SERVICE_")

    host: str = ""
    port: str = "443"


class TraceSettings(BaseSettings):
    """Where traces are looked at. Where they are sent is for OpenTelemetry's own variables to say."""

    model_config = SettingsConfigDict(env_prefix="ATOMICTICKETS_")

    jaeger_url: Annotated[str, Field(pattern=r"^https?://[^\s{}]+$")] | None = None

    @property
    def trace_url(self) -> str | None:
        """The page of one trace, with `{trace_id}` in it."""
        return None if self.jaeger_url is None else f"{self.jaeger_url.rstrip('/')}/trace/{{trace_id}}"


def _secret(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
