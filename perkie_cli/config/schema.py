"""The settings: one row each, grouped. A row's annotation is its type; ``row`` holds default, help and bounds.

A setting ``group.name`` is set by the flag that a command documents, by ``PERKIE_GROUP_NAME``, by ``[group] name`` in
the project's ``perkie.toml``, by the user's ``config.toml``, or keeps its default, in that order.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NewType

from perkie_cli.domain.engines import AUTO_DRAWING, AUTO_MATTING
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.picture import DEFAULT_SIZE, MIB, SMALLEST_SIZE
from perkie_cli.domain.secret import Secret

KEY_NAMES = ("GOOGLE_API_KEY", "GEMINI_API_KEY")  # the first one wins when both are set, as in Google's SDK
ByteCount = NewType("ByteCount", int)  # can also be written as 500kB or 20MiB


def row(
    default: Any,
    text: str,
    *,
    env: tuple[str, ...] = (),
    minimum: float | None = None,
    maximum: float | None = None,
    place: bool = False,
) -> Any:
    """One setting: default, one line of help, environment names honoured after perkie's own, bounds.

    ``place``: it decides where photos, keys or customers' ids are sent. A project's perkie.toml may not set it.
    """
    return field(default=default, metadata={"help": text, "env": env, "bounds": (minimum, maximum), "place": place})


@frozen
class GeneralSettings:
    """Settings for every command."""

    offline: bool = row(False, "Never download anything", env=("PERKIE_OFFLINE",))
    styles_dir: Path | None = row(None, "Folder of your own style files (default: styles/ next to the user config)")
    workers: int = row(2, "Threads for decoding, drawing and encoding", minimum=1)


@frozen
class ImageSettings:
    """Limits on input pictures."""

    max_bytes: ByteCount = row(50 * MIB, "Largest input file", minimum=1)
    min_side: int = row(256, "Minimum width and height in px", minimum=1)
    max_side: int = row(4096, "Longer sides are scaled down to this many px", minimum=256)
    max_pixels: int = row(50_000_000, "Pixel cap, checked before decoding", minimum=1)
    pixels_in_work: int = row(200_000_000, "Total pixels of all pictures in progress; more have to wait", minimum=1)


@frozen
class StyleSettings:
    """Stylizing."""

    engine: Literal["auto", "gemini", "local"] = row("auto", f"Engine; {AUTO_DRAWING}")
    size: int = row(DEFAULT_SIZE, "Long side of a styled picture in px", minimum=SMALLEST_SIZE)


@frozen
class MattingSettings:
    """Removing backgrounds."""

    engine: str = row("auto", f"Engine, or a network of models.toml; {AUTO_MATTING}")
    mode: Literal["base", "fast"] = row("base", "base is finer (1024 px), fast is ten times faster (384 px)")
    device: str = row("auto", "auto, cpu, cuda, cuda:N or mps")
    backend: Literal["auto", "torch", "onnx"] = row("auto", "auto is onnx on a CPU once exported, else torch")
    threads: int = row(0, "Threads of the network on a CPU; 0 is one per core", minimum=0)
    compile: bool = row(False, "Compile the torch network at its first picture (takes minutes); see docs/matting.md")
    models_dir: Path | None = row(None, "Folder of the model files (default: models/ in the user's data folder)")
    weights_url: str = row(
        "https://github.com/plemeri/transparent-background/releases/download/1.2.12",
        "Address to download model files from",
    )
    mirror_url: str | None = row(None, "Mirror to try before weights_url")
    remote_url: str | None = row(None, "Address of another perkie that removes backgrounds", place=True)
    remote_key: Secret | None = row(None, "Its API key", place=True)


@frozen
class CacheSettings:
    """The content-addressed cache."""

    store: Literal["disk", "gcs"] = row("disk", "Where pictures are stored")
    dir: Path | None = row(None, "Folder of the disk store (default: the user's cache folder)")
    bucket: str | None = row(None, "The private bucket of the gcs store", place=True)
    endpoint: str | None = row(
        None, "Other storage address, such as an emulator's", env=("STORAGE_EMULATOR_HOST",), place=True
    )
    max_size: ByteCount | None = row(
        None, "Limit of the disk store, such as 5GiB: the least recently used go first (default: none)", minimum=1
    )
    protected_buckets: tuple[str, ...] = row(
        ("perkieprints-processing-cache", "perkieprints-customer-images"),
        "Buckets in which no command deletes by accident",
    )
    near: bool = row(False, "Reuse the picture of a nearly identical photo of the same owner (extra: near)")
    near_bits: int = row(24, "Maximum of 256 hash bits that may differ between nearly identical photos", minimum=0)
    temp_lifetime: timedelta = row(timedelta(days=7), "Lifetime of pictures of sessions and anonymous users")
    customer_lifetime: timedelta = row(timedelta(days=180), "Lifetime of customers' pictures")
    shared_lifetime: timedelta = row(timedelta(days=30), "Lifetime of shared copies")
    cutout_lifetime: timedelta = row(timedelta(days=1), "Lifetime of cut-outs")


@frozen
class GeminiSettings:
    """The Gemini image models."""

    api_key: Secret | None = row(
        None,
        "Developer API key, file:///PATH or sm://projects/P/secrets/NAME/versions/V",
        env=KEY_NAMES,
        place=True,
    )
    base_url: str | None = row(
        None, "Other API address, such as an emulator's", env=("GOOGLE_GEMINI_BASE_URL",), place=True
    )
    model: str = row("gemini-nano-banana-2.1", "Image model (see perkie models list)")
    models_file: Path | None = row(None, "Your own models and prices (default: models.toml next to the user config)")
    vertexai: bool = row(
        False, "Use Vertex AI instead of a developer key", env=("GOOGLE_GENAI_USE_VERTEXAI",), place=True
    )
    project: str | None = row(None, "Project for Vertex AI (default: GOOGLE_CLOUD_PROJECT)", place=True)
    location: str = row("global", "Location for Vertex AI", env=("GOOGLE_CLOUD_LOCATION",), place=True)
    calls_per_minute: int = row(2_000, "Calls per minute that the API allows", minimum=1)
    tokens_per_minute: int = row(4_000_000, "Tokens per minute that the API allows", minimum=10_000)
    calls_per_day: int = row(50_000, "Calls per day (Pacific time) that the API allows", minimum=1)
    concurrent: int = row(1_000, "Concurrent calls that the API allows", minimum=1)
    daily_cap_usd: Decimal = row(Decimal(10), "No more upstream calls once the day's spending reaches this", minimum=0)
    ledger: Literal["sqlite", "firestore"] = row("sqlite", "Where spending is booked")


@frozen
class HttpSettings:
    """`perkie serve`."""

    host: str = row("127.0.0.1", "Address to listen on")
    port: int = row(8080, "Port to listen on", env=("PORT",), minimum=0, maximum=65535)
    role: Literal["all", "artistic", "matting"] = row("all", "Which of the two services this server provides")
    auth: tuple[Literal["none", "api-key", "jwt", "shopify-proxy"], ...] = row(
        ("none",), "Authentication modes, comma-separated; none only on a loopback address"
    )
    allow_open: bool = row(False, "Allow auth none on an address that others can reach")
    api_keys: Path | None = row(None, "TOML file of API keys, as hashes")
    jwt_secret: Secret | None = row(None, "Signs and checks tokens (HS256), at least 32 bytes")
    shopify_secret: Secret | None = row(None, "The app's secret, for proxy signatures", env=("SHOPIFY_API_SECRET",))
    shops: tuple[str, ...] = row((), "Shops whose proxy calls are accepted, such as x.myshopify.com; empty for any")
    public_url: str | None = row(
        None, "Base address for links, such as https://shop.example/perkie (default: as called)"
    )
    link_secret: Secret | None = row(
        None, "Encrypts image links; without it they end with the process and are read by no other"
    )
    link_lifetime: timedelta = row(timedelta(days=1), "How long image links are valid")
    bucket_links: bool = row(
        False, "Let links lead to the bucket itself; they then show the customer's or session's id"
    )
    origins: tuple[str, ...] = row((), "Origins that browsers may call from, in addition to https://*.myshopify.com")
    trusted_hops: int = row(0, "Number of own proxies whose X-Forwarded-… count (Cloud Run: 1)", minimum=0)
    max_body: ByteCount = row(32 * MIB, "Largest request body", minimum=1)
    max_image: ByteCount = row(20 * MIB, "Largest picture in a request", minimum=1)
    max_bodies: ByteCount = row(256 * MIB, "Total size of all request bodies in progress", minimum=1)
    max_connections: int = row(1_000, "Most connections; for more, the longest idle one is closed", minimum=1)
    pixels_waiting: int = row(800_000_000, "Total pixels of waiting pictures; more are refused", minimum=0)
    rate_ip: int = row(100, "Expensive requests per minute and address", minimum=1)
    rate_session: int = row(20, "Expensive requests per minute and session or customer", minimum=1)
    rate_burst: int = row(10, "Burst: how many of these may come at once", minimum=1)
    generate_deadline: timedelta = row(timedelta(seconds=50), "Time limit for one generation")
    process_deadline: timedelta = row(timedelta(seconds=150), "Time limit for a process or batch request")
    cutout_deadline: timedelta = row(timedelta(seconds=120), "Time limit for one cut-out")
    stop_within: timedelta = row(timedelta(seconds=8), "After SIGTERM, time for requests in flight to finish")
    widget: bool = row(True, "Show the portrait widget; false hides it in every shop, without a change of themes")
    warmups: int = row(20, "Warm-ups per hour that really draw", minimum=1)


@frozen
class QuotaSettings:
    """Free pictures per UTC day."""

    customer: int = row(5, "Pictures per day for a customer", minimum=0)
    session: int = row(3, "Pictures per day for a session", minimum=0)
    ip: int = row(5, "Pictures per day for an address without session or customer", minimum=0)
    ip_ceiling: int = row(30, "Pictures per day for all sessions of one address together", minimum=0)
    count_local: bool = row(False, "Also charge pictures of the local engine")
    store: Literal["sqlite", "firestore"] = row("sqlite", "Where quotas are stored")
    path: Path | None = row(None, "File of the sqlite store (default: quotas.sqlite in the state folder)")
    when_down: Literal["memory", "deny"] = row("memory", "While the store is down: count in memory, or refuse")
    lease_margin: timedelta = row(timedelta(seconds=30), "How long a reservation outlasts the time limit of its work")


@frozen
class FirestoreSettings:
    """Firestore, if a store uses it. Credentials are Google's default ones."""

    project: str | None = row(
        None, "Project (default: that of the credentials)", env=("GOOGLE_CLOUD_PROJECT",), place=True
    )
    database: str = row("(default)", "Database")
    prefix: str = row("perkie_", "Prefix of all collection names")
    patience: timedelta = row(timedelta(seconds=3), "How long a transaction may take before the store counts as down")


@frozen
class TelemetrySettings:
    """Where a server tells what it does; see docs/metrics.md."""

    log_format: Literal["text", "json"] = row("text", "The server's log: text, or JSON in Cloud Logging's fields")
    monitoring: bool = row(False, "Write the server's metrics to Cloud Monitoring, too")
    flush_every: timedelta = row(timedelta(seconds=60), "How often they are written", minimum=10)
    otlp_endpoint: str | None = row(
        None,
        "Send traces to this OpenTelemetry collector, such as http://127.0.0.1:4318 (extra: trace)",
        env=("OTEL_EXPORTER_OTLP_ENDPOINT",),
        place=True,
    )
    trace_share: Decimal = row(
        Decimal(1), "Share of requests that are traced, 0 to 1, where the caller does not say", minimum=0
    )
    project: str | None = row(None, "Project of metrics, alerts and traces (default: GOOGLE_CLOUD_PROJECT)", place=True)


@frozen
class MonitorSettings:
    """`perkie monitor`: Cloud Monitoring's objectives, alerts and dashboard."""

    slo_file: Path | None = row(None, "Your own service levels and alerts (default: those that come with perkie)")
    page_channels: tuple[str, ...] = row((), "Who is paged: email:ADDRESS or names of notification channels")
    ticket_channels: tuple[str, ...] = row((), "Who gets tickets: email:ADDRESS or names of notification channels")
    page_severity: Literal["CRITICAL", "ERROR", "WARNING"] = row("CRITICAL", "Cloud Monitoring's severity of a page")
    ticket_severity: Literal["CRITICAL", "ERROR", "WARNING"] = row("WARNING", "And that of a ticket")
    uptime_host: str | None = row(None, "Public host of the artistic service, for the uptime check (default: none)")
    runbooks_url: str | None = row(None, "Where docs/runbooks is published, for links in alerts")


@frozen
class Settings:
    """All groups."""

    general: GeneralSettings = field(default_factory=GeneralSettings)
    image: ImageSettings = field(default_factory=ImageSettings)
    style: StyleSettings = field(default_factory=StyleSettings)
    matting: MattingSettings = field(default_factory=MattingSettings)
    cache: CacheSettings = field(default_factory=CacheSettings)
    gemini: GeminiSettings = field(default_factory=GeminiSettings)
    http: HttpSettings = field(default_factory=HttpSettings)
    quota: QuotaSettings = field(default_factory=QuotaSettings)
    firestore: FirestoreSettings = field(default_factory=FirestoreSettings)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    monitor: MonitorSettings = field(default_factory=MonitorSettings)


@frozen
class Row:
    """One setting of the schema."""

    name: str  # group.name
    field: dataclasses.Field[Any]

    @property
    def env_names(self) -> tuple[str, ...]:
        """Environment variables that set it, the strongest first."""
        own = "PERKIE_" + self.name.replace(".", "_").upper()
        return tuple(dict.fromkeys((own, *self.field.metadata["env"])))

    def value(self, settings: Settings) -> Any:
        """The setting's value in ``settings``."""
        group, name = self.name.split(".", 1)
        return getattr(getattr(settings, group), name)

    @property
    def names_place(self) -> bool:
        """Whether it decides where photos, keys or customers' ids are sent."""
        return bool(self.field.metadata["place"])

    @property
    def help(self) -> str:
        """One line of help."""
        return str(self.field.metadata["help"])


def rows() -> Iterator[Row]:
    """Every setting, in the schema's order."""
    for group, default in default_groups().items():
        for each in dataclasses.fields(default):
            yield Row(f"{group}.{each.name}", each)


def default_groups() -> dict[str, Any]:
    """Each group of settings by name, all at their defaults."""
    defaults = Settings()
    return {field.name: getattr(defaults, field.name) for field in dataclasses.fields(Settings)}
