"""Who can read secrets, and who can call the server."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from perkie_cli.config.schema import rows
from perkie_cli.domain.secret import Secret
from perkie_cli.ops.doctor.said import Said, error, ok, skipped, warning
from perkie_cli.ops.doctor.subject import Subject

_OTHERS_READ, _OTHERS_WRITE = stat.S_IRGRP | stat.S_IROTH, stat.S_IWGRP | stat.S_IWOTH


async def files(its: Subject) -> Sequence[Said]:
    """Whether others on this machine can read or change files with keys, or the settings."""
    if os.name == "nt":
        return [skipped("modes of files say nothing on this system")]
    looked = await its.blocking(lambda _: list(_looked_at(its)))
    closed = f"closed to others: {', '.join(each.message for each in looked)}" if looked else "no file has keys"
    return [each for each in looked if each.is_finding] or [ok(closed)]


def _looked_at(its: Subject) -> Iterator[Said]:
    secret = [path for path, exists in its.loaded.files if exists and _holds_secret(its, path)]
    plain = [path for path, exists in its.loaded.files if exists and path not in secret]
    if (keys := its.settings.http.api_keys) is not None:
        secret.append(keys)
    if account := its.parts.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
        secret.append(Path(account))
    yield from (_mode(path, holds_secret=True) for path in secret)
    yield from (_mode(path, holds_secret=False) for path in plain)


def _holds_secret(its: Subject, path: Path) -> bool:
    """Whether a secret in force comes from that file, not as a reference to Secret Manager."""
    values = [(its.loaded.origins[row.name], row.value(its.settings)) for row in rows()]
    return any(
        f" {path}" in origin and isinstance(value, Secret) and not value.reveal().startswith(("sm://", "file://"))
        for origin, value in values
    )


def _mode(path: Path, *, holds_secret: bool) -> Said:
    place = shlex.quote(str(path))
    try:
        mode = path.stat().st_mode
    except OSError as problem:
        return error(f"{path} cannot be read: {problem.strerror}", f"ls -l {place}")
    if mode & _OTHERS_WRITE:
        return error(f"others may change {path}", f"chmod go-w {place}")
    if holds_secret and mode & _OTHERS_READ:
        return warning(f"others may read {path}, which holds keys", f"chmod 600 {place}")
    return ok(str(path))


async def access(its: Subject) -> Sequence[Said]:
    """Whether anybody may call the server, and whether its links outlive it."""
    http, found = its.settings.http, []
    if "none" in http.auth and http.allow_open:
        text = f"the server lets anybody in (http.allow_open with auth {'+'.join(http.auth)})"
        found.append(error(text, "export PERKIE_HTTP_ALLOW_OPEN=false PERKIE_HTTP_AUTH=api-key"))
    if "api-key" in http.auth and http.api_keys is None:
        found.append(error("http.auth asks for keys, and no file has any", "export PERKIE_HTTP_API_KEYS=keys.toml"))
    if http.auth != ("none",) and http.role != "matting" and http.link_secret is None:
        text = "image links end with the process, and no other instance reads them: no http.link_secret"
        found.append(warning(text, "export PERKIE_HTTP_LINK_SECRET=$(openssl rand -hex 32)"))
    return found or [ok(f"auth {'+'.join(http.auth)} on {http.host}")]
