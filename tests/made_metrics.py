"""Makes the table of metrics in docs/metrics.md from the catalogue: python -m tests.made_metrics"""

from __future__ import annotations

from collections.abc import Iterator

from perkie_cli.telemetry.catalogue import CATALOGUE, Label, Metric
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "metrics.md"
BEGIN, END = "<!-- metrics -->\n", "<!-- /metrics -->"


def table() -> str:
    """One row a metric: its name, kind and unit, labels with their values, and what it is."""
    return "".join(f"{line}\n" for line in _lines())


def _lines() -> Iterator[str]:
    yield "| metric | kind | labels | what |"
    yield "|---|---|---|---|"
    for each in CATALOGUE.values():
        labels = "; ".join(f"`{label.name}`: {_values(label)}" for label in each.labels)
        yield f"| `{each.in_prometheus}` | {_kind(each)} | {labels} | {each.help} |".replace("|  |", "| |")


def _kind(metric: Metric) -> str:
    unit = {"1": "", "s": ", seconds", "By": ", bytes", "{USD}": ", dollars"}[metric.unit]
    return f"{metric.kind}{unit}"


def _values(label: Label) -> str:
    return label.meaning or ", ".join(f"`{value}`" for value in label.values)


def written(page: str) -> str:
    """The page with the table as it is now."""
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")
