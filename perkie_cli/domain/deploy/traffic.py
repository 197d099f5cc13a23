"""The split of traffic over revisions, always by name: ``LATEST`` would float to whatever is deployed next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from perkie_cli.domain.frozen import frozen

CANARY = "canary"  # the tag of the new revision
STABLE = "stable"  # the tag of the revision that it is compared with
OURS = frozenset({CANARY, STABLE})


@frozen
class Share:
    """``percent`` of the traffic, and an address of its own if it has a ``tag``. No ``revision``: the latest one."""

    revision: str
    percent: int = 0
    tag: str = ""

    def to_json(self) -> dict[str, Any]:
        """Without what is empty."""
        return {key: value for key, value in (("r", self.revision), ("p", self.percent), ("t", self.tag)) if value}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Share:
        """Raises: KeyError, TypeError, ValueError."""
        return cls(str(value["r"]), int(value.get("p", 0)), str(value.get("t", "")))


Split = tuple[Share, ...]


def floats(split: Split) -> bool:
    """Whether some of the traffic goes to whatever revision is the latest."""
    return any(not share.revision and share.percent for share in split)


def named(split: Split, latest: str) -> Split:
    """The same with ``latest`` for what floats, in one order; a revision has one share without tag."""
    percents: dict[tuple[str, str], int] = {}
    for share in split:
        key = (share.revision or latest, share.tag)
        percents[key] = percents.get(key, 0) + share.percent
    found = (Share(revision, percent, tag) for (revision, tag), percent in percents.items() if percent or tag)
    return tuple(sorted(found, key=lambda share: (-share.percent, share.revision, share.tag)))


def main_revision(split: Split) -> str:
    """The revision that gets most of the traffic."""
    totals = serving(split)
    return max(sorted(totals), key=totals.__getitem__, default="")


def serving(split: Split) -> Mapping[str, int]:
    """Percent by revision, of those that get any."""
    totals: dict[str, int] = {}
    for share in split:
        if share.percent:
            totals[share.revision] = totals.get(share.revision, 0) + share.percent
    return totals


def shifted(old: Split, new: str, percent: int) -> Split:
    """``percent`` for the revision ``new``, the rest for ``old`` in its own proportions; all tags of others stay."""
    left = _scaled([share.percent for share in old], 100 - percent)
    kept = [replace(share, percent=part) for share, part in zip(old, left, strict=True)]
    tagged = Share(main_revision(old), 0, STABLE)
    shares = [share for share in (*kept, tagged, Share(new, percent, CANARY)) if share.percent or share.tag]
    return named(tuple(shares), new)


def keeping_tags(target: Split, live: Split) -> Split:
    """The target, and the tags of others that ``live`` has besides."""
    known = {share.tag for share in target}
    return named((*target, *(share for share in _foreign(live) if share.tag not in known)), "")


def same_traffic(one: Split, other: Split) -> bool:
    """Whether both send everybody to the same place, by percent and by our tags; tags of others are theirs."""
    return serving(one) == serving(other) and _ours(one) == _ours(other)


def _ours(split: Split) -> set[tuple[str, str]]:
    return {(share.tag, share.revision) for share in split if share.tag in OURS}


def _foreign(split: Split) -> Sequence[Share]:
    return [replace(share, percent=0) for share in split if share.tag and share.tag not in OURS]


def _scaled(parts: Sequence[int], total: int) -> list[int]:
    """The parts scaled to a sum of ``total``, by the largest remainders."""
    whole = sum(parts) or 1
    exact = [part * total / whole for part in parts]
    floors = [int(each) for each in exact]
    by_remainder = sorted(range(len(parts)), key=lambda at: (floors[at] - exact[at], at))
    for at in by_remainder[: total - sum(floors)]:
        floors[at] += 1
    return floors


def described(split: Split) -> str:
    """``perkie-1 90 %, perkie-2 10 % (canary)``."""
    parts = [
        f"{share.revision or 'LATEST'} {share.percent} %" + (f" ({share.tag})" if share.tag else "") for share in split
    ]
    return ", ".join(parts) or "nothing"
