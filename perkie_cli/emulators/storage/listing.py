"""``objects.list``: prefix, delimiter, offsets, glob, versions, pages."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from perkie_cli.emulators.storage.errors import ApiError
from perkie_cli.emulators.storage.records import Bucket, Version

MOST = 1000  # results a page


@dataclass
class Page:
    """One page: versions, prefixes, and the start of the next page."""

    versions: list[Version] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    token: str | None = None


def list_page(bucket: Bucket, query: Mapping[str, str]) -> Page:
    """Prefixes count as results, as with the real service.

    Raises: ApiError 400 for an invalid page token.
    """
    limit = _limit(query.get("maxResults"))
    page, after = Page(), _decode(query.get("pageToken"))
    last = after
    for place, version in _entries(bucket, query):
        if after is not None and place <= after:
            continue
        if isinstance(version, str) and version in page.prefixes[-1:]:
            last = place
            continue
        if len(page.versions) + len(page.prefixes) == limit:
            page.token = _encode(last)
            break
        page.prefixes.append(version) if isinstance(version, str) else page.versions.append(version)
        last = place
    return page


def page_of(names: Sequence[str], size: str | None, token: str | None) -> tuple[Sequence[str], str | None]:
    """One page of sorted names and the token of the next one.

    Raises: ApiError 400.
    """
    after = _decode(token)
    rest = [name for name in names if after is None or name > after[0]]
    page = rest[: _limit(size)]
    return page, _encode((page[-1], 0)) if len(rest) > len(page) else None


def _limit(asked: str | None) -> int:
    """The page size; zero and no value mean the maximum. Raises: ApiError 400."""
    limit = int(asked or 0)
    if limit < 0:
        raise ApiError(400, f"Invalid value '{limit}'. Values must be within the range: [0, {MOST}]")
    return min(limit, MOST) or MOST


def _entries(bucket: Bucket, query: Mapping[str, str]) -> Iterator[tuple[tuple[str, int], Version | str]]:
    """In order of name and generation: versions, or the prefix that hides them, each with its place.

    A page that ends at a prefix must not show it again: all that it hides has the place of its last name.
    """
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    for version in _selected(bucket, query):
        head, found, _ = version.name[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
        if found:
            hidden = prefix + head + delimiter
            yield (hidden + "\U0010ffff", 0), hidden
            if _flag(query, "includeTrailingDelimiter") and version.name == hidden:
                yield (hidden + "\U0010ffff", 1), version
        else:
            yield (version.name, version.generation), version


def _selected(bucket: Bucket, query: Mapping[str, str]) -> Iterator[Version]:
    prefix, start, end = query.get("prefix", ""), query.get("startOffset", ""), query.get("endOffset")
    glob = re.compile(_glob(query["matchGlob"])) if "matchGlob" in query else None
    soft, every = _flag(query, "softDeleted"), _flag(query, "versions")
    for name in sorted(bucket.versions, key=str.encode):
        if not name.startswith(prefix) or name < start or (end is not None and name >= end):
            continue
        if glob is not None and not glob.fullmatch(name):
            continue
        for version in bucket.versions[name]:
            if (version.soft_deleted is not None) == soft and (every or soft or version.noncurrent is None):
                yield version


def _flag(query: Mapping[str, str], name: str) -> bool:
    return query.get(name, "").lower() == "true"  # Python's client writes "True"


def _glob(pattern: str) -> str:
    """``*`` stays within a folder, ``**`` does not, ``?`` is one character, ``[…]`` a class, ``{a,b}`` either."""
    rules = {"**": ".*", "*": "[^/]*", "?": "[^/]", "{": "(?:", "}": ")", ",": "|"}
    tokens = re.findall(r"\*\*|\*|\?|\{|\}|,|\[[^\]]*\]|[^*?{},\[]+", pattern)
    return "".join(rules.get(token) or (token if token.startswith("[") else re.escape(token)) for token in tokens)


def _encode(place: tuple[str, int] | None) -> str:
    name, generation = place or ("", 0)
    return base64.urlsafe_b64encode(f"{generation}:{name}".encode()).decode()


def _decode(token: str | None) -> tuple[str, int] | None:
    if not token:
        return None
    try:
        generation, _, name = base64.urlsafe_b64decode(token).decode().partition(":")
        return name, int(generation)
    except ValueError as error:
        raise ApiError(400, f"Invalid page token: {token}") from error
