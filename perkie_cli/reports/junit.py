"""JUnit's XML, in the dialect that Jenkins, GitLab, Azure and GitHub's actions read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from xml.etree import ElementTree as ET

from perkie_cli.domain.frozen import frozen
from perkie_cli.reports.text import xml_safe


class Result(StrEnum):
    """How a case ended; the value is the element inside it."""

    PASSED = ""
    FAILED = "failure"
    ERROR = "error"  # it could not be judged
    SKIPPED = "skipped"


@frozen
class Case:
    """One test case. ``kind`` is the type of a failure or error, ``message`` its sentence, ``details`` the rest."""

    group: str
    name: str
    result: Result = Result.PASSED
    message: str = ""
    kind: str = ""
    details: str = ""


def junit(name: str, cases: Sequence[Case], *, started: datetime, seconds: float) -> bytes:
    """A document with one suite. Characters that XML cannot hold are replaced: one would make the file unreadable."""
    counts = {
        "tests": len(cases),
        "failures": sum(case.result is Result.FAILED for case in cases),
        "errors": sum(case.result is Result.ERROR for case in cases),
        "skipped": sum(case.result is Result.SKIPPED for case in cases),
    }
    numbers = {key: str(value) for key, value in counts.items()} | {"time": f"{seconds:.3f}"}
    root = ET.Element("testsuites", numbers)
    stamp = started.isoformat(timespec="seconds").removesuffix("+00:00")
    suite = ET.SubElement(root, "testsuite", {"name": xml_safe(name), **numbers, "timestamp": stamp})
    for case in cases:
        element = ET.SubElement(
            suite, "testcase", {"classname": xml_safe(case.group), "name": xml_safe(case.name), "time": "0"}
        )
        if case.result is not Result.PASSED:
            found = {"message": xml_safe(case.message)} | ({"type": xml_safe(case.kind)} if case.kind else {})
            ET.SubElement(element, case.result.value, found).text = xml_safe(case.details)
    ET.indent(root)
    return bytes(ET.tostring(root, "utf-8", xml_declaration=True)) + b"\n"
