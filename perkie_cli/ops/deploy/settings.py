"""What is shipped where: one environment of ``deploy.toml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from perkie_cli.domain.frozen import frozen

ROLES = ("artistic", "matting")
ENVIRONMENTS = ("staging", "production")
SAMPLES = ("metrics", "monitoring")  # /metrics of each tag's address, or Cloud Monitoring
SECRETS = "/secrets"  # where secrets are mounted: one folder each, with the file ``value``
FILE_SETTINGS = frozenset({"PERKIE_HTTP_API_KEYS", "PERKIE_GEMINI_MODELS_FILE"})  # they take a path, not a secret


@frozen
class ScaleWindow:
    """Time-of-day scaling: at ``schedule`` (cron) the service gets this least number of instances."""

    schedule: str
    min_instances: int


@frozen
class ServiceSpec:
    """One Cloud Run service. ``timeout`` in seconds; ``secrets``: secret ids by the variable that names their file."""

    role: str
    name: str
    image: str
    cpu: int
    memory: str
    gpu: str = ""
    min_instances: int = 0
    max_instances: int = 1
    concurrency: int = 1
    timeout: int = 60
    cpu_idle: bool = True
    startup_boost: bool = True
    public: bool = True
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    scaling: tuple[ScaleWindow, ...] = ()

    @property
    def account(self) -> str:
        """The id of its service account."""
        return self.name[:30]


@frozen
class JobSpec:
    """The Cloud Run job that warms the cache, and when it starts."""

    name: str
    args: tuple[str, ...]
    schedule: str
    tasks: int
    timeout: int
    retries: int
    cpu: int
    memory: str

    @property
    def account(self) -> str:
        """The id of its service account."""
        return self.name[:30]


@frozen
class BucketSpec:
    """The private bucket of the cache."""

    name: str
    location: str
    versioning: bool
    soft_delete_days: int
    cors_origins: tuple[str, ...]


@frozen
class FirestoreSpec:
    """The database of quotas and the ledger."""

    database: str
    location: str
    prefix: str
    backup_retention: str


@frozen
class RegistrySpec:
    """The repository of images; ``keep`` versions stay of each."""

    name: str
    keep: int
    delete_after_days: int


@frozen
class CanarySpec:
    """How traffic moves. Times in seconds; ``levels``: names of service levels; ``rate`` in requests a second.

    ``samples``: where answers are counted, ``SAMPLES``.
    """

    steps: tuple[int, ...]
    hold: float
    max_hold: float
    interval: float
    min_samples: int
    levels: tuple[str, ...]
    samples: str
    smoke: str
    load: str
    load_seconds: float
    rate: float
    max_usd: float
    ready_within: float


@frozen
class Environment:
    """Everything about one environment. ``schedules`` are in ``time_zone``; ``freeze``: why nothing is shipped now."""

    name: str
    project: str
    region: str
    time_zone: str
    registry: RegistrySpec
    bucket: BucketSpec
    firestore: FirestoreSpec
    services: tuple[ServiceSpec, ...]
    warm: JobSpec | None
    canary: CanarySpec
    tools_image: str = ""
    freeze: str = ""

    def service(self, role: str) -> ServiceSpec | None:
        """The service of that role; None where it is not shipped."""
        return next((each for each in self.services if each.role == role), None)

    def email(self, account: str) -> str:
        """The address of a service account of this project."""
        return f"{account}@{self.project}.iam.gserviceaccount.com"
