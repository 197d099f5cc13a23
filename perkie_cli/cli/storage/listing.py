"""Stored pictures as they are printed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from perkie_cli.cli.render import Report
from perkie_cli.cli.storage.rows import AreaRow
from perkie_cli.domain.storage.selection import StoredTotal, total
from perkie_cli.domain.units import format_size
from perkie_cli.services.storage.filter import SHORTEST_HASH
from perkie_cli.services.storage.keeping import SHORTENED

if TYPE_CHECKING:
    from perkie_cli.cli.storage.rows import FindingRow
    from perkie_cli.ports import BlobInfo


def tallied(totals: Mapping[str, StoredTotal], **summary: object) -> Report:
    """What ``stats`` and the like print."""
    whole = total(totals)
    lines = [
        f"{'area':<20} {'objects':>9} {'size':>10}  unused since (UTC)"
    ]  # without Rich: this should start as fast as `ls`
    lines += [_line(area, found) for area, found in {**totals, "all": whole}.items()]
    if limit := summary.get("max_size"):
        lines.append(f"{'cache.max_size':<20} {'':>9} {format_size(int(str(limit))):>10}")
    results = [AreaRow(area, each.count, each.bytes, each.oldest) for area, each in totals.items()]
    return Report(results, {**summary, "count": whole.count, "bytes": whole.bytes}, lines)


def _line(area: str, found: StoredTotal) -> str:
    return f"{area:<20} {found.count:>9} {format_size(found.bytes):>10}  {_day(found)}".rstrip()


def _day(found: StoredTotal) -> str:
    return "" if found.oldest is None else f"{found.oldest:%Y-%m-%d}"


def amount_of(found: StoredTotal) -> str:
    """A number of objects and their size."""
    return f"{objects_of(found.count)} ({format_size(found.bytes)})"


def objects_of(count: int) -> str:
    """A number of objects."""
    return f"{count} object{'s' * (count != 1)}"


def row_of(info: BlobInfo) -> str:
    """One object in a line."""
    size, engine = format_size(info.size), info.metadata.get("engine", "")
    return f"{size:>10}  {info.touched:%Y-%m-%dT%H:%MZ}  {engine:<7} {info.key}"


class ByFolder:
    """Rows that fit a terminal: the folder stands once, above its objects; ``cache get`` takes the shortened names."""

    def __init__(self) -> None:
        self._folder: str | None = None

    def __call__(self, info: BlobInfo) -> str:
        """The row of one object, below its folder if that is a new one."""
        folder, _, name = info.key.rpartition("/")
        head = "" if folder == self._folder else f"{folder}/\n"
        self._folder = folder
        hash_, _, rest = name.partition("_")
        short = (
            f"{hash_[:SHORTEST_HASH]}{SHORTENED}_{rest}"
            if rest
            else f"{hash_[:SHORTEST_HASH]}{SHORTENED}{_ending(name)}"
        )
        engine = info.metadata.get("engine", "")
        return f"{head}{format_size(info.size):>10}  {info.touched:%Y-%m-%d}  {engine:<7} {short}"


def _ending(name: str) -> str:
    return name[name.rindex(".") :]


def found_wrong(found: Sequence[FindingRow]) -> str:
    """``2 broken, 1 whole that would be adopted``: what a repair keeps is not broken."""
    counts = Counter(each.remedy for each in found)
    broken = counts.pop("removed", 0)
    told = [f"{broken} broken"] if broken else []
    return ", ".join([*told, *(f"{count} whole that would be {remedy}" for remedy, count in sorted(counts.items()))])
