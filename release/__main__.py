"""``python -m release VERSION``: changelog, version, sdist, wheel, bill of materials, checksums."""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from release import changelog

ROOT = Path(__file__).parents[1]
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_STATED = re.compile(r'^__version__ = "(.*)"$', re.MULTILINE)


class Refused(Exception):
    """The release cannot be cut; nothing was changed."""


def main(words: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Cuts the release; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m release", description=__doc__)
    parser.add_argument("version", help="the new version, such as 0.2.0")
    parser.add_argument("--out", type=Path, default=Path("dist"), help="folder for what is made (default: dist)")
    parser.add_argument("--dry-run", action="store_true", help="check only, and print the notes")
    chosen = parser.parse_args(words)
    try:
        notes = check(root, chosen.version)
        if chosen.dry_run:
            print(notes)
            return 0
        made = cut(root, chosen.version, chosen.out)
    except Refused as refusal:
        print(f"error: {refusal}", file=sys.stderr)
        return 3
    print("\n".join(map(str, made)))
    tag = f"v{chosen.version}"
    print(
        f"next: git commit -am 'Release {chosen.version}' && git tag -a {tag} -m {tag} && git push --follow-tags",
        file=sys.stderr,
    )
    return 0


def check(root: Path, version: str) -> str:
    """The notes of the release. Raises: Refused."""
    if (wanted := _parsed(version)) is None:
        raise Refused(f"{version!r} is not a version such as 0.2.0")
    if said := _git(root, "status", "--porcelain"):
        raise Refused(f"the working tree has changes:\n{said}")
    if _git(root, "tag", "--list", f"v{version}"):
        raise Refused(f"the tag v{version} is there already")
    text = (root / "CHANGELOG.md").read_text("utf-8")
    later = [each for each in changelog.versions(text) if (_parsed(each) or wanted) >= wanted]
    if later:
        raise Refused(f"{later[0]} was released already, and {version} is not higher")
    try:
        changelog.released(text, version, datetime.now(UTC).date())
    except ValueError as error:
        raise Refused(str(error)) from error
    return changelog.unreleased(text)


def cut(root: Path, version: str, out: Path) -> list[Path]:
    """Writes version and changelog, and makes the files. If that fails, both are as they were. Raises: Refused."""
    log, package = root / "CHANGELOG.md", root / "perkie_cli" / "__init__.py"
    with ExitStack() as undo:
        for path in (log, package):
            undo.callback(path.write_text, path.read_text("utf-8"), "utf-8")
        day = datetime.now(UTC).date()
        log.write_text(changelog.released(log.read_text("utf-8"), version, day), "utf-8")
        package.write_text(_STATED.sub(f'__version__ = "{version}"', package.read_text("utf-8")), "utf-8")
        out.mkdir(parents=True, exist_ok=True)
        _run([sys.executable, "-m", "build", "--outdir", str(out), str(root)])
        made = sorted(out.glob(f"perkie_cli-{version}*"))
        made.append(_bill_of_materials(next(path for path in made if path.suffix == ".whl"), out, version))
        made.append(_checksums(made, out))
        undo.pop_all()
    return made


def _bill_of_materials(wheel: Path, out: Path, version: str) -> Path:
    """Of what an installation of the wheel with all that a server needs consists (CycloneDX)."""
    path = out / f"perkie_cli-{version}.cdx.json"
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        _run([f"{folder}/bin/pip", "install", "-q", f"{wheel}[serve,trace]"])
        _run([sys.executable, "-m", "cyclonedx_py", "environment", "--of", "JSON", "-o", str(path), folder])
    return path


def _checksums(files: Sequence[Path], out: Path) -> Path:
    path = out / "SHA256SUMS"
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files]
    path.write_text("".join(lines), "utf-8")
    return path


def _parsed(version: str) -> tuple[int, ...] | None:
    match = _VERSION.fullmatch(version)
    return tuple(map(int, match.groups())) if match else None


def _git(root: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True).stdout.strip()


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


if __name__ == "__main__":
    sys.exit(main())
