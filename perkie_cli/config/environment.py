"""Settings from environment variables. A misspelt one is never ignored silently."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from perkie_cli.config.schema import default_groups, rows
from perkie_cli.domain.errors import InvalidSetting
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.spelling import did_you_mean

PREFIX = "PERKIE_"
CONFIG, PROFILE = "PERKIE_CONFIG", "PERKIE_PROFILE"
# Kubernetes sets such variables in every pod for a service named perkie or perkie-http.
_KUBERNETES = re.compile(r"_SERVICE_HOST$|_SERVICE_PORT(_\w+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_\w+)?$|^PERKIE_PORT$")


@frozen
class FromEnv:
    """The text of one variable."""

    name: str
    text: str


def env_values(environ: Mapping[str, str]) -> dict[str, FromEnv]:
    """The settings that variables give, by dotted name; an empty variable is not set."""
    values: dict[str, FromEnv] = {}
    for each in rows():
        name = next((n for n in each.env_names if environ.get(n)), None)
        if name is not None:
            values[each.name] = FromEnv(name, environ[name])
    return values


def strange_variables(environ: Mapping[str, str]) -> Iterator[str]:
    """A warning for each ``PERKIE_…`` variable that is no setting.

    One that begins with the name of a group, such as PERKIE_STYLE_SISE, can only be a misspelt setting. It is an
    error, as in a file: a limit with a typo would be no limit.

    Raises: InvalidSetting.
    """
    known = {name for each in rows() for name in each.env_names} | {CONFIG, PROFILE}
    groups = tuple(f"{PREFIX}{group.upper()}_" for group in default_groups())
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name in known or _KUBERNETES.search(name):
            continue
        message = f"the environment variable {name} is no setting of perkie"
        near = did_you_mean(name, known)
        if name.startswith(groups):
            raise InvalidSetting(message, hint=f"{near} `perkie config init` names all of them; unset it.".lstrip())
        yield f"{message} and is ignored. {near}".rstrip()
