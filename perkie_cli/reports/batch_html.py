"""A run as HTML pages without scripts or anything from elsewhere: before and after, errors, time, cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.money.spend import dollars
from perkie_cli.domain.runs import Item, Run, Status
from perkie_cli.domain.units import format_duration

PER_PAGE = 250

_STYLE = """
:root{color-scheme:light dark;--ink:#1c2330;--faint:#5b6676;--line:#d6dbe3;--ground:#fff;--card:#f6f7f9}
@media(prefers-color-scheme:dark){:root{--ink:#e8eaee;--faint:#9aa4b2;--line:#333a45;--ground:#14171c;--card:#1c2128}}
body{margin:0 auto;padding:24px 16px 64px;max-width:1120px;background:var(--ground);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
h1{font-size:24px;line-height:1.25;margin:8px 0}
dl{display:flex;flex-wrap:wrap;gap:8px 28px;margin:16px 0 28px}dt{color:var(--faint);font-size:13px}
dd{margin:0;font-size:20px;font-variant-numeric:tabular-nums}
code{font:13px/1.4 ui-monospace,Menlo,Consolas,monospace;overflow-wrap:anywhere}
nav{display:flex;flex-wrap:wrap;gap:6px 14px;margin:16px 0}
nav [aria-current]{font-weight:700;color:var(--ink);text-decoration:none}
article{display:grid;grid-template-columns:128px 128px minmax(0,1fr);gap:14px;padding:12px;margin:0 0 10px;
border:1px solid var(--line);border-radius:8px;background:var(--card)}
figure{margin:0;font-size:12px;color:var(--faint)}
.box{display:grid;place-items:center;width:128px;height:128px;border-radius:4px;background:var(--line)}
img{max-width:128px;max-height:128px;border-radius:4px}
h2{font-size:15px;margin:0;overflow-wrap:anywhere}p{margin:2px 0}.faint{color:var(--faint)}
.status{font-weight:600}.failed,.degraded{color:#b3261e}.done,.cached,.skipped{color:#17663a}
@media(prefers-color-scheme:dark){.failed,.degraded{color:#ff8a80}.done,.cached,.skipped{color:#7fd6a0}}
@media(max-width:600px){article{grid-template-columns:1fr 1fr}article>div{grid-column:1/-1}.box{width:100%}}
"""
_WORDS: Mapping[Status, str] = {
    Status.DONE: "made",
    Status.CACHED: "from the cache",
    Status.SKIPPED: "already there",
    Status.DEGRADED: "a substitute, to be made again",
    Status.FAILED: "failed",
    Status.RUNNING: "under way when the run ended",
    Status.WAITING: "not tried",
    Status.ORDERED: "ordered, to be collected by a later run",
}


@frozen
class Shown:
    """An item with the addresses of its thumbnails; None where there is none."""

    item: Item
    before: str | None
    after: str | None


def page_name(number: int) -> str:
    """The file of a page; the first is 1."""
    return "index.html" if number == 1 else f"page-{number}.html"


def page(run: Run, shown: Sequence[Shown], number: int, pages: int) -> str:
    """One page of the report."""
    title = f"perkie {run.command}, {run.begun:%Y-%m-%d %H:%M} UTC"
    links = _links(number, pages)
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head>\n<body>",
        f"<h1>{_text(title)}</h1>",
        f"<p><code>perkie {_text(' '.join(run.words))}</code><br><code>in {_text(run.folder)}, run {run.id}</code></p>",
        _numbers(run),
        links,
        *map(_article, shown),
        links,
        "</body></html>\n",
    ]
    return "\n".join(part for part in parts if part)


def _numbers(run: Run) -> str:
    facts = {"state": run.outcome.value, "pictures": str(run.total)}
    facts |= {_WORDS[status]: str(count) for status in _WORDS if (count := run.counts.get(status, 0))}
    facts["cost"] = dollars(run.usd)
    if run.ended is not None:
        facts["took"] = format_duration((run.ended - run.begun).total_seconds())
    cells = "".join(f"<div><dt>{_text(name)}</dt><dd>{_text(value)}</dd></div>" for name, value in facts.items())
    return f"<dl>{cells}</dl>"


def _links(number: int, pages: int) -> str:
    if pages == 1:
        return ""
    links = (_link(each, current=each == number) for each in range(1, pages + 1))
    return f'<nav aria-label="Pages">{"".join(links)}</nav>'


def _link(number: int, *, current: bool) -> str:
    mark = ' aria-current="page"' if current else ""
    return f'<a href="{page_name(number)}"{mark}>{number}</a>'


def _article(shown: Shown) -> str:
    item = shown.item
    name = item.source.rpartition("/")[2]
    return (
        f"<article>{_figure('before', shown.before, name)}{_figure('after', shown.after, item.style or 'cut-out')}"
        f"<div><h2>{_text(name)}</h2>{''.join(_lines(item))}</div></article>"
    )


def _figure(caption: str, address: str | None, alt: str) -> str:
    inner = "none" if address is None else f'<img loading="lazy" src="{_text(address)}" alt="{_text(alt)}">'
    return f'<figure><div class="box">{inner}</div>{caption}</figure>'


def _lines(item: Item) -> Iterator[str]:
    facts = [item.style, item.engine, format_duration(item.seconds) if item.seconds else ""]
    facts += [dollars(item.usd) if item.usd else "", f"attempt {item.attempts}" if item.attempts > 1 else ""]
    yield f'<p class="status {item.status.value}">{_WORDS.get(item.status, item.status.value)}</p>'
    yield f"<p>{_text(', '.join(filter(None, facts)))}</p>"
    yield f'<p class="faint"><code>{_text(item.source)} → {_text(item.output)}</code></p>'
    if item.message:
        yield f"<p><code>{_text(item.code)}</code> {_text(item.message)}</p>"
    if item.hint:
        yield f'<p class="faint">{_text(item.hint)}</p>'


def _text(text: str) -> str:
    """Escaped text; what is no text is replaced."""
    return escape(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
