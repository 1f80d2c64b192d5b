"""The settings of the service, the workers and the lab, read from the environment. No other module of them reads it.

There is one class per concern. Names contain the units.
"""

import socket
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.errors import AtomicTicketsError
from app.redis_address import RedisAddress, with_password
from app.sales.model import MAX_THINK_MS, THINK_MS

ANSWER_LIFE_SECONDS = 24 * 3600  # Stripe keeps an idempotency key at least as long
LogLevel = Literal["NOTSET", "DEBUG", "INFO", "WARN", "WARNING", "ERROR", "FATAL", "CRITICAL"]


class InvalidSettings(AtomicTicketsError):
    """Environment variables have values that are not allowed. The detail names them, without the values."""

    status, slug, title = 422, "invalid-settings", "Invalid Settings"


class EnvironmentSettings(BaseSettings):
    """Settings that are read from the environment. Raise InvalidSettings."""

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            prefix = values.get("_env_prefix") or self.model_config.get("env_prefix", "")
            raise InvalidSettings(invalid_text(error, prefix)) from None  # the cause would show a password


def invalid_text(error: ValidationError, prefix: str) -> str:
    """Return the variables that are invalid, and why, as text. An error of several variables names them itself."""
    texts = []
    for each in error.errors(include_input=False):
        variable = "".join(f"{prefix}{field}: ".upper() for field in each["loc"][:1])
        texts.append(variable + each["msg"].removeprefix("Value error, "))
    return f"{'; '.join(texts)}."


class ProcessSettings(EnvironmentSettings):
    """Settings of every process: its name, its logs, and where it runs."""

    model_config = SettingsConfigDict(env_ignore_empty=True)

    log_level: Annotated[LogLevel, BeforeValidator(str.upper)] = "INFO"
    pod_name: str = Field(default_factory=socket.gethostname)  # names this process in attempts
    # shared by the processes of one host; prometheus-client reads the variable too
    prometheus_multiproc_dir: Path | None = None
    failpoints: Path | None = None  # see app.failpoints


class ProbeSettings(EnvironmentSettings):
    """How a process without an HTTP API reports its health.

    Each kind of process has its own prefix: `ProbeSettings.of("WORKER_")`.
    """

    model_config = SettingsConfigDict(env_ignore_empty=True)

    probe_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    ready_file: Path | None = None

    @classmethod
    def of(cls, prefix: str) -> Self:
        """Read the variables with this prefix."""
        return cls(_env_prefix=prefix)


class StoreSettings(EnvironmentSettings):
    """The addresses of the stores.

    The broker is a logical server of its own, so that a flooded queue cannot hurt the stock. app.redis_address
    describes the forms of a URL. A password may be set in a variable of its own, which saves percent-encoding it.
    """

    model_config = SettingsConfigDict(hide_input_in_errors=True)  # a URL may contain a password

    redis_url: str = "redis://127.0.0.1:6379/0"
    redis_password: SecretStr | None = None
    broker_url: str = "redis://127.0.0.1:6379/1"
    broker_password: SecretStr | None = None
    database_url: str = "postgresql+asyncpg://postgres@127.0.0.1:5432/atomictickets"

    @field_validator("redis_url")
    @classmethod
    def _is_redis_url(cls, url: str) -> str:
        RedisAddress.of(url)
        return url

    @field_validator("broker_url")
    @classmethod
    def _is_broker_url(cls, url: str) -> str:
        if RedisAddress.of(url).kind == "cluster":
            raise ValueError("Celery can't use a Redis Cluster as its broker; name one server, or Sentinels")
        return url

    @model_validator(mode="after")
    def _insert_passwords(self) -> Self:
        self.redis_url = with_password(self.redis_url, _secret(self.redis_password))
        self.broker_url = with_password(self.broker_url, _secret(self.broker_password))
        return self


class GivenStores(EnvironmentSettings):
    """The servers that the user of a lab, or of a race at a given URL, names. A lab starts each that has no URL."""

    redis_url: str = ""
    broker_url: str = ""
    database_url: str = ""

    def by_variable(self) -> dict[str, str]:
        """Return the URLs by the names of their environment variables."""
        return {"REDIS_URL": self.redis_url, "BROKER_URL": self.broker_url, "DATABASE_URL": self.database_url}


class GateSettings(EnvironmentSettings):
    """The stock server as one process uses it."""

    model_config = SettingsConfigDict(env_prefix="GATE_")

    key_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = "atomictickets"
    connect_timeout_seconds: PositiveFloat = 0.5
    command_timeout_seconds: PositiveFloat = 1.0
    max_connections: PositiveInt = 16
    # each takes 6.6 us in the server, so 128 occupy it for 0.8 ms
    batch_purchases: Annotated[int, Field(ge=1, le=128)] = 128
    batches_in_flight: PositiveInt = 2  # per process and sale: one is on the wire while one is decided
    queue_purchases: PositiveInt = 4096  # per process and sale; if it is full, a buyer is asked at once to retry later
    # how long a round's answers live after its end; as long, a ledger that went back is given lost bookings again
    answer_life_seconds: PositiveInt = ANSWER_LIFE_SECONDS
    queue_seconds: PositiveFloat = 2.0  # a purchase that is still unsent after this leaves the queue; nothing was taken
    wait_replicas: NonNegativeInt = 0  # that must have an order before its buyer is told; 0 waits for none
    wait_milliseconds: PositiveInt = 100  # for these replicas; 0 would mean forever to the server

    @model_validator(mode="after")
    def _waits_within_the_timeout(self) -> Self:
        if self.wait_replicas and self.wait_milliseconds >= self.command_timeout_seconds * 1000:
            raise ValueError("GATE_WAIT_MILLISECONDS must be shorter than GATE_COMMAND_TIMEOUT_SECONDS")
        return self


class LedgerSettings(EnvironmentSettings):
    """Postgres as one process uses it."""

    model_config = SettingsConfigDict(env_prefix="LEDGER_")

    # Two installations may share a database, each with its own schema. Postgres truncates longer names.
    schema_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,63}$")] = "public"
    pool_size: PositiveInt = 20  # the naive strategy holds a connection while it thinks
    connect_timeout_seconds: PositiveFloat = 2.0
    # shorter than DRAIN_CLAIM_IDLE_SECONDS, so that a stuck batch ends before it is claimed
    statement_timeout_seconds: PositiveFloat = 3.0


class SaleSettings(EnvironmentSettings):
    """The defaults of a sale whose terms do not set them."""

    model_config = SettingsConfigDict(env_prefix="SALE_")

    think_ms: Annotated[int, Field(ge=0, le=MAX_THINK_MS)] = THINK_MS


class DrainSettings(EnvironmentSettings):
    """How workers carry accepted orders to the ledger."""

    model_config = SettingsConfigDict(env_prefix="DRAIN_")

    batch_orders: Annotated[int, Field(ge=1, le=5000)] = 500
    task_seconds: PositiveFloat = 2.0  # a task works for this long at most, then sends another hint
    sweep_seconds: PositiveFloat = 2.0  # how often a worker looks for orders by itself, even if the broker is away
    claim_idle_seconds: PositiveFloat = 5.0
    poison_tries: PositiveInt = 3  # an entry that fails alone this many times is set aside


class ReconcileSettings(EnvironmentSettings):
    """How often the reconciler compares Redis with the ledger, and when it acts."""

    model_config = SettingsConfigDict(env_prefix="RECONCILE_")

    interval_seconds: PositiveFloat = 2.0
    grace_seconds: PositiveFloat = 10.0
    policy: Literal["RepairSafe", "Observe"] = "RepairSafe"
    retention_days: Annotated[int, Field(ge=1, le=36_500)] = 30


class AdminSettings(EnvironmentSettings):
    """The token of the API's administrator, as a client of the API needs it."""

    model_config = SettingsConfigDict(env_prefix="API_")

    # not empty: an empty token would protect nothing
    admin_token: Annotated[SecretStr, Field(min_length=1)] | None = None

    @property
    def token(self) -> str | None:
        """Return the admin token in clear text."""
        return _secret(self.admin_token)


class ApiSettings(AdminSettings):
    """The HTTP server of one API process."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    url: str = "http://127.0.0.1:8000"  # the target of blasts; a caller can never set it
    # after SIGTERM: time for a load balancer to stop sending requests
    shutdown_delay_seconds: Annotated[float, Field(ge=0)] = 0.0
    graceful_seconds: PositiveInt = 5
    body_limit_bytes: PositiveInt = 16_384


class LabSettings(EnvironmentSettings):
    """How an API process reaches the lab that started it. Unset outside of a lab on loopback."""

    model_config = SettingsConfigDict(env_prefix="LAB_", env_ignore_empty=True)

    control_directory: Path | None = None


class OtelSettings(EnvironmentSettings):
    """The OpenTelemetry variables that decide whether traces are exported, and which.

    The SDK reads its other variables by itself.
    """

    model_config = SettingsConfigDict(env_prefix="OTEL_", str_strip_whitespace=True)

    sdk_disabled: str = ""
    traces_exporter: str = ""
    exporter_otlp_endpoint: str = ""
    exporter_otlp_traces_endpoint: str = ""
    exporter_otlp_protocol: str = ""
    exporter_otlp_traces_protocol: str = ""
    traces_sampler: str = ""
    traces_sampler_arg: str = ""


class KubernetesSettings(EnvironmentSettings):
    """The address of the API server of the cluster in which a pod runs."""

    model_config = SettingsConfigDict(env_prefix="KUBERNETES_SERVICE_")

    host: str = ""
    port: str = "443"


class TraceSettings(EnvironmentSettings):
    """Where traces can be viewed. OpenTelemetry's own variables say where they are sent."""

    model_config = SettingsConfigDict(env_prefix="ATOMICTICKETS_")

    jaeger_url: Annotated[str, Field(pattern=r"^https?://[^\s{}]+$")] | None = None

    @property
    def trace_url(self) -> str | None:
        """Return the URL of a trace's page, with `{trace_id}` in it, or None if Jaeger's address is not set."""
        return None if self.jaeger_url is None else f"{self.jaeger_url.rstrip('/')}/trace/{{trace_id}}"


def _secret(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
