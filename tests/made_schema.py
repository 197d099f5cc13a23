"""Makes docs/envelope.schema.json and docs/load-report.schema.json from their classes: python -m tests.made_schema"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from decimal import Decimal
from typing import Any, get_args, get_type_hints

from pydantic import TypeAdapter

from perkie_cli.cli.render import SCHEMA
from perkie_cli.cli.row_parts import ErrorRow
from perkie_cli.cli.rows import ROWS
from perkie_cli.loadtest.report import SCHEMA as REPORT_SCHEMA
from perkie_cli.loadtest.report import Report
from tests.conftest import ROOT

_NUMBERS: dict[Any, Any] = {Decimal: float, Mapping[str, Decimal]: Mapping[str, float]}  # decimals, as JSON has them
DOCUMENT = ROOT / "docs" / "envelope.schema.json"
LOAD_REPORT = ROOT / "docs" / "load-report.schema.json"


def document() -> dict[str, Any]:
    """JSON Schema 2020-12: the envelope, and by command what its ``results`` hold."""
    rows = sorted({row for kinds in ROWS.values() for row in kinds} | {ErrorRow}, key=lambda row: row.__name__)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What perkie prints with --json",
        "type": "object",
        "properties": {
            "schema": {"const": SCHEMA},
            "command": {"type": "string", "description": "As typed, without arguments."},
            "ok": {"type": "boolean"},
            "results": {"type": "array", "items": {"type": "object"}},
            "summary": {"type": "object"},
            "warnings": {"type": "array", "items": {"type": "string"}},
            "error": {"oneOf": [{"type": "null"}, _reference(ErrorRow)]},
        },
        "required": ["schema", "command", "ok", "results", "summary", "warnings", "error"],
        "additionalProperties": False,
        "allOf": [_holds(command, kinds) for command, kinds in ROWS.items()],
        "$defs": {row.__name__: _row(row) for row in rows},
    }


def _reference(row: type) -> dict[str, str]:
    return {"$ref": f"#/$defs/{row.__name__}"}


def _holds(command: str, kinds: tuple[type, ...]) -> dict[str, Any]:
    rows = {"items": {"anyOf": [_reference(kind) for kind in kinds]}} if kinds else {"maxItems": 0}
    return {
        "if": {"properties": {"command": {"const": command}}},
        "then": {"properties": {"results": rows}},
    }


def _row(row: type) -> dict[str, Any]:
    properties, required = _properties(row)
    return {
        "description": (row.__doc__ or "").split("\n")[0],
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _properties(row: type) -> tuple[dict[str, Any], list[str]]:
    """Those of a dataclass that may be absent as a whole are not required."""
    properties: dict[str, Any] = {}
    required: list[str] = []
    hints = get_type_hints(row)
    for each in fields(row):
        if each.metadata.get("inside"):
            inner, _ = _properties(next(kind for kind in get_args(hints[each.name]) if kind is not type(None)))
            properties |= inner
            continue
        properties[each.name] = _kind(hints[each.name], each)
        if not each.metadata.get("if_any"):
            required.append(each.name)
    return properties, required


def _kind(hint: Any, each: Field[Any]) -> dict[str, Any]:
    if each.metadata.get("if_any") and each.default is not MISSING:
        hint = next(kind for kind in get_args(hint) if kind is not type(None))
    schema: dict[str, Any] = TypeAdapter(_NUMBERS.get(hint, hint)).json_schema(mode="serialization")
    plain: dict[str, Any] = _without_titles(_inlined(schema, schema.pop("$defs", {})))
    return plain


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_inlined(each, definitions) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if reference := schema.get("$ref"):
        return _inlined(definitions[reference.rpartition("/")[2]], definitions)
    return {name: _inlined(value, definitions) for name, value in schema.items()}


def _without_titles(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_titles(each) for each in schema]
    if isinstance(schema, dict):
        kept = {name: value for name, value in schema.items() if name != "title" or isinstance(value, dict)}
        return {name: _without_titles(value) for name, value in kept.items()}  # a field may be named title
    return schema


def load_report_document() -> dict[str, Any]:
    """JSON Schema 2020-12 of a load test's JSON report."""
    schema = TypeAdapter(Report).json_schema(mode="serialization")
    plain: dict[str, Any] = _without_titles(_closed(schema))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"The JSON report of perkie load-test run ({REPORT_SCHEMA})",
        **plain,
    }


def _closed(schema: Any) -> Any:
    """No object has other fields than those of its class."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(value) for name, value in schema.items()}
    return {**closed, "additionalProperties": False} if "properties" in schema and "type" in schema else closed


if __name__ == "__main__":
    for path, made in ((DOCUMENT, document()), (LOAD_REPORT, load_report_document())):
        path.write_text(json.dumps(made, indent=2, ensure_ascii=False) + "\n", "utf-8")
