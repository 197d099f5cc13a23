"""A setting that nobody reads does nothing, however well it is documented."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import perkie_cli
from perkie_cli.config.schema import default_groups, rows

PACKAGE = Path(perkie_cli.__file__).parent
GROUPS = {type(group).__name__: name for name, group in default_groups().items()}  # GeminiSettings: gemini
SETTINGS = {row.name.rpartition(".")[2] for row in rows()}


def group_of(expression: ast.expr, known: dict[str, str]) -> str | None:
    """The group of settings that an expression stands for: ``settings.gemini``, or a name that stands for it."""
    if not isinstance(expression, ast.Name | ast.Attribute):
        return None
    text = ast.unparse(expression)
    last = text.rpartition(".")[2]
    owned = ".".join(text.split(".")[-2:])
    return (
        known.get(text)
        or known.get(owned)
        or (last if text.endswith(f"settings.{last}") and last in GROUPS.values() else None)
    )


def fields_of_groups(sources: list[str]) -> dict[str, str]:
    """Fields of other classes that hold a group, as others call them: ``parts.settings``."""
    return {
        f"{owner.name.lower()}.{ast.unparse(line.target)}": GROUPS[ast.unparse(line.annotation)]
        for source in sources
        for owner in ast.walk(ast.parse(source))
        if isinstance(owner, ast.ClassDef)
        for line in owner.body
        if isinstance(line, ast.AnnAssign) and ast.unparse(line.annotation) in GROUPS
    }


def names_of_groups(tree: ast.AST, fields: dict[str, str]) -> dict[str, str]:
    """Names in a module that stand for a group, by annotation (``gemini: GeminiSettings``) or by assignment."""
    known = dict(fields)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            target = node.arg if isinstance(node, ast.arg) else ast.unparse(node.target)
            if (group := GROUPS.get(ast.unparse(node.annotation).strip("'\""))) is not None:
                known |= {target: group, f"self.{target}": group, f"self._{target}": group}
    for name, value in assignments(tree):
        if (group := group_of(value, known)) is not None:
            known[ast.unparse(name)] = group
    return known


def assignments(tree: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Each name with its value, those of ``a, b = 1, 2`` apart."""
    for node in ast.walk(tree):
        for target in node.targets if isinstance(node, ast.Assign) else ():
            assert isinstance(node, ast.Assign)
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                yield from zip(target.elts, node.value.elts, strict=False)
            else:
                yield target, node.value


def read_by(source: str, fields: dict[str, str]) -> Iterator[str]:
    """``group.name`` of each setting that the source reads."""
    tree = ast.parse(source)
    known = names_of_groups(tree, fields)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or node.attr not in SETTINGS:  # unparsing every attribute takes seconds
            continue
        if (group := group_of(node.value, known)) is not None:
            yield f"{group}.{node.attr}"


def test_every_setting_is_read_somewhere() -> None:
    sources = [path.read_text("utf-8") for path in PACKAGE.rglob("*.py") if path.parent.name != "config"]
    fields = fields_of_groups(sources)
    read = {name for source in sources for name in read_by(source, fields)}
    unread = [row.name for row in rows() if row.name not in read]
    assert unread == [], (
        f"nobody reads {', '.join(unread)}. Seen are settings.GROUP.NAME, parts.settings.NAME and NAME of anything "
        "annotated with its group (such as HttpSettings); a call, f().settings.NAME, needs a name of its own first"
    )


def test_what_counts_as_read() -> None:
    source = """
def made(settings, gemini: GeminiSettings):
    quota, other = settings.quota, settings
    return quota.customer, gemini.model, self.services.settings.cache.near, other.size, call.parts.settings.shops
"""
    read = {"quota.customer", "gemini.model", "cache.near", "http.shops"}
    assert set(read_by(source, {"parts.settings": "http"})) == read
