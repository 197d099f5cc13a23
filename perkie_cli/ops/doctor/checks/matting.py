"""The weights that cut pets out."""

from __future__ import annotations

from collections.abc import Sequence

from perkie_cli.domain.engines import MATTING
from perkie_cli.domain.errors import MissingWeights
from perkie_cli.domain.spelling import did_you_mean
from perkie_cli.ops.doctor.said import Said, error, ok, skipped, warning
from perkie_cli.ops.doctor.subject import Parts, Subject


async def weights(its: Subject) -> Sequence[Said]:
    """Whether the configured engine exists, and its model file is here."""
    engine = its.parts.matting_choice.meant()
    if engine == "remote":
        return [skipped("another perkie cuts out; a question would wake it: perkie doctor --url asks it")]
    if engine not in MATTING:
        return [await its.blocking(lambda parts: _network(parts, engine))]
    readiness = await its.blocking(lambda parts: parts.cutout_readiness)
    if not readiness.needs_weights:
        return [ok(f"{engine} needs no download")]
    try:
        await readiness.check_weights()
    except MissingWeights as missing:
        if its.settings.http.role == "matting":
            return [error(missing.message, "perkie models pull")]
        # Until then another engine stands in, and what it cuts out is marked degraded and charged to nobody.
        return [warning(missing.message, "perkie models pull, or set matting.engine to builtin")]
    return [ok(f"{engine} has its weights ({its.settings.matting.mode})")]


def _network(parts: Parts, name: str) -> Said:
    network = parts.networks.get(name)
    if network is None:
        near = did_you_mean(name, {*parts.networks, *MATTING})
        return error(f"there is no matting engine {name[:60]!r}. {near}".rstrip(), "perkie models list")
    path = parts.model_store.find(network.file)
    if path is None:
        return error(f"{network.file} of {name} is missing", f"cp {network.file} {parts.model_store.folder}/")
    return ok(f"{name} has {path}")


async def builtin(its: Subject) -> Sequence[Said]:
    """Whether the shipped network is the one that was shipped."""
    engine = await its.blocking(lambda parts: parts.builtin)
    await engine.check_weights()
    return [ok("the shipped weights are whole")]
