"""What a server says of itself when it starts: what is in force, and what is not right."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import perkie_cli
from perkie_cli.auth.peer import is_loopback
from perkie_cli.bootstrap import Services
from perkie_cli.config.schema import Settings
from perkie_cli.domain.events import Started
from perkie_cli.system.age import seconds_since_start

log = logging.getLogger("perkie.http")


def tell_start(services: Services, address: str) -> None:
    """Logs one line with what is in force, and a warning for each thing that is not right."""
    log.info("serving: %s", ", ".join(f"{name}={value}" for name, value in _facts(services, address).items()))
    for concern in _concerns(services):
        log.warning("%s", concern)


def tell_phase(services: Services, phase: str) -> None:
    """Emits the event of a phase of the start: how long a cold start takes."""
    seconds = seconds_since_start()
    if seconds is not None:
        services.events.emit(Started(phase, seconds))


def _facts(services: Services, address: str) -> Mapping[str, str]:
    settings = services.settings
    environ = services.environ
    facts = {"version": perkie_cli.__version__, "role": settings.http.role, **_engines(services)}
    facts["images"] = services.blobs.name
    if settings.http.role != "matting":
        facts["quotas"] = services.documents.name
    facts |= _telemetry(settings)
    facts |= {
        "auth": "+".join(settings.http.auth),
        "address": address,
        "public_url": settings.http.public_url or "(as called)",
        "instance": f"{socket.gethostname()}/{os.getpid()}",
    }
    if revision := environ.get("K_REVISION"):  # Cloud Run
        facts["revision"] = revision
    return facts


def _telemetry(settings: Settings) -> Mapping[str, str]:
    """Where metrics and traces are sent."""
    telemetry, facts = settings.telemetry, {}
    if telemetry.monitoring:
        facts["monitoring"] = telemetry.project or settings.firestore.project or "(project of the credentials)"
    if telemetry.otlp_endpoint:
        facts["traces"] = urlsplit(telemetry.otlp_endpoint).netloc.rpartition("@")[2]
    return facts


def _engines(services: Services) -> Mapping[str, str]:
    """The engines that this server draws and cuts out with."""
    settings, facts = services.settings, {}
    if settings.http.role != "matting":
        engine = services.generate.engine().name
        facts["engine"] = engine
        if engine == "gemini":
            gemini = settings.gemini
            facts |= {
                "model": gemini.model,
                "gemini": urlsplit(gemini.base_url).hostname or "?" if gemini.base_url else "google",
                "ledger": gemini.ledger,
                "daily_cap_usd": str(gemini.daily_cap_usd),
            }
    return {**facts, "matting": services.matting_choice.meant()}


def _concerns(services: Services) -> Iterator[str]:
    """What works, but not as a server needs it: each with what to do about it."""
    settings, http = services.settings, services.settings.http
    if http.role != "matting" and services.generate.engine().name == "gemini":
        today = services.clock.now().date()
        model = services.models.find(settings.gemini.model)
        if (soon := model.warning(today)) is not None and not model.retired(today):
            yield f"{soon} (set gemini.model)"
    if http.role != "matting" and http.auth != ("none",) and http.link_secret is None:
        yield (
            "image links are signed with a secret of this process: they end when it restarts, and other instances do "
            "not know them (set http.link_secret to one secret for all instances)"
        )
    if services.environ.get("PORT") and is_loopback(http.host):
        yield (
            f"PORT is set, as container platforms do, but nobody outside of this machine can reach {http.host} "
            "(set PERKIE_HTTP_HOST=0.0.0.0, and http.auth)"
        )
