"""Backups of the state folder while it is in use, by SQLite's own backup API (https://sqlite.org/backup.html)."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import perkie_cli
from perkie_cli.domain.errors import CorruptStore, UnreadableFile, unwritable
from perkie_cli.domain.events import Audited
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.units import why_unread
from perkie_cli.ports import Backup, Clock, CopiedFile, EventSink, Workers
from perkie_cli.stores.sqlite.file import REPAIR, move_aside, open_shared, reading, verdict
from perkie_cli.stores.sqlite.trouble import UNWRITABLE, StoreFile, cause_of, store_error
from perkie_cli.system.private import open_private, private_folder

MANIFEST = "manifest.json"
SAFETY = "before-restore"  # folder below the state folder
_NAME = "perkie-"
_PATIENCE = 30.0  # seconds that a restore waits for others to let go of a file
_TIME = "%Y%m%dT%H%M%SZ"


@frozen
class Kept:
    """A file of the state folder. ``complete`` brings an older version up to date; ``schema`` None: not SQLite."""

    path: Path
    schema: str | None = None
    complete: Callable[[sqlite3.Connection], object] = lambda connection: connection


class SqliteBackups:
    """``ports.Backups``. ``actor`` is named in the audit records."""

    def __init__(
        self, files: Sequence[Kept], state_dir: Path, clock: Clock, io: Workers, events: EventSink, actor: str
    ) -> None:
        self._files = {file.path.name: file for file in files}
        self._state_dir = state_dir
        self._clock = clock
        self._io = io
        self._events = events
        self._actor = actor

    @property
    def names(self) -> frozenset[str]:
        """As the port."""
        return frozenset(self._files)

    async def create(self, folder: Path) -> Backup:
        """As the port."""
        return await self._io.run(self._create, folder, self.names)

    async def check(self, path: Path) -> Backup:
        """As the port."""
        return await self._io.run(self._check, path)

    async def restore(self, path: Path, names: frozenset[str]) -> Backup:
        """As the port."""
        return await self._io.run(self._restore, path, names)

    async def remove_all_but(self, folder: Path, kept: int) -> Sequence[Path]:
        """As the port."""
        return await self._io.run(_remove_all_but, folder, kept)

    def _create(self, folder: Path, names: frozenset[str]) -> Backup:
        made = self._clock.now().astimezone(UTC).replace(microsecond=0)
        path = _free(folder / f"{_NAME}{made.strftime(_TIME)}")
        with _writing(path):
            private_folder(folder)
            _remove_unfinished(folder)
            with _unfinished(folder / f".{path.name}.{os.getpid()}.tmp") as half:
                kept = [self._files[name] for name in self._files if name in names]
                files = [self._copied(file, half) for file in kept if file.path.exists()]
                backup = Backup(path, made, perkie_cli.__version__, files)
                _write(half / MANIFEST, json.dumps(_to_json(backup), indent=2).encode())
                half.rename(path)
        return backup

    def _copied(self, file: Kept, folder: Path) -> CopiedFile:
        target = folder / file.path.name
        if (schema := file.schema) is None:
            _write(target, _bytes(file.path))
            return _described(target, None)
        os.close(open_private(target, os.O_CREAT | os.O_EXCL))
        with _sqlite(file.path):
            reading(file.path, None, lambda: open_shared(file.path, schema), functools.partial(_copy, target=target))
        try:
            return _described(target, schema)
        except CorruptStore as error:  # a page of it, which its copy has, too
            hint = f"`{REPAIR}` moves it aside and says what is lost."
            raise CorruptStore(f"{file.path} is corrupt", hint=hint) from error

    def _check(self, path: Path) -> Backup:
        backup = _read(path)
        for stated in backup.files:
            file = self._files.get(stated.name)
            if not (path / stated.name).exists():
                raise CorruptStore(f"{path / stated.name} is missing", hint="Use another backup.")
            found = _described(path / stated.name, file.schema if file is not None else None, stated)
            if found != stated:
                raise CorruptStore(
                    f"{path / stated.name} is not what was backed up: {_difference(stated, found)}",
                    hint="Use another backup.",
                )
        return backup

    def _restore(self, path: Path, names: frozenset[str]) -> Backup:
        backup = self._check(path)
        before = self._create_safely(names)
        for stated in backup.files:
            if stated.name in names:
                self._put_back(path / stated.name, self._files[stated.name])
        detail = f"{', '.join(sorted(names))}; before: {before.path}"
        self._events.emit(Audited("backup.restore", str(path), self._actor, detail))
        return before

    def _create_safely(self, names: frozenset[str]) -> Backup:
        """A backup of what is there, with corrupt files moved aside: they cannot be copied, and must not be lost."""
        for file in (self._files[name] for name in names):
            with _sqlite(file.path):
                if file.schema is not None and verdict(file.path, file.schema) is not None:
                    move_aside(file.path, self._clock.now())
        return self._create(self._state_dir / SAFETY, names)

    def _put_back(self, copy: Path, file: Kept) -> None:
        """Into the file itself and in one transaction: processes that have it open see the old content or the new.

        Records that are only added to, as the audit's, are put back only where there are none.
        """
        if file.schema is None:
            if not file.path.exists():
                with _writing(file.path):
                    _write(file.path, copy.read_bytes())
            return
        with (
            _sqlite(file.path),
            closing(sqlite3.connect(f"{copy.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as source,
            closing(open_shared(file.path, file.schema)) as target,
        ):
            _copy_into(source, target)
            file.complete(target)


@contextmanager
def _unfinished(half: Path) -> Iterator[Path]:
    """A folder for a backup that is being made, locked for as long as its maker lives. Raises: OSError."""
    handle = _made_and_locked(half)
    try:
        yield half
    finally:
        shutil.rmtree(half, ignore_errors=True)
        os.close(handle)


def _made_and_locked(half: Path) -> int:
    while True:
        half.mkdir(mode=0o700)
        handle = os.open(half, os.O_RDONLY)
        with suppress(OSError):  # a file system without locks: there nobody removes it either
            fcntl.flock(handle, fcntl.LOCK_EX)
        if half.exists():
            return handle
        os.close(handle)  # another one removed it before it was locked


def _remove_unfinished(folder: Path) -> None:
    """Removes what killed makers of backups left. The lock of one that is at work says so."""
    for half in folder.glob(f".{_NAME}*Z*.tmp"):
        with suppress(OSError):
            handle = os.open(half, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(half)
            finally:
                os.close(handle)


def _copy(source: sqlite3.Connection, target: Path) -> None:
    """Closes the source. What fails after the first read is the copy's fault, if its disk shows it."""
    with closing(source), closing(sqlite3.connect(target)) as copy:
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        try:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, without companions
        except sqlite3.Error as error:
            if cause_of(error, target) not in UNWRITABLE:
                raise
            folder = target.parent.parent  # of all backups; that of this one has a passing name
            raise store_error(StoreFile(folder / target.name, f"the backup in {folder}", REPAIR), error) from error


def _copy_into(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    waited = 0.0

    def patience(status: int, *_: int) -> None:
        nonlocal waited
        waited += 0.25
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) and waited > _PATIENCE:
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise error

    source.backup(target, pages=-1, progress=patience, sleep=0.25)


def _described(path: Path, schema: str | None, stated: CopiedFile | None = None) -> CopiedFile:
    """``stated``: the name and shape to read it as, where this perkie does not know the file."""
    data = _bytes(path)
    digest = hashlib.sha256(data).hexdigest()
    if stated is not None and digest != stated.sha256:  # not a database any more, perhaps
        return CopiedFile(path.name, {}, len(data), digest)
    rows = {"lines": data.count(b"\n")} if schema is None else _rows(path)
    if schema is None and stated is not None and set(stated.rows) != {"lines"}:
        rows = _rows(path)
    return CopiedFile(path.name, rows, len(data), digest)


def _rows(path: Path) -> Mapping[str, int]:
    with _sqlite(path), closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as copy:
        said = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
        if said != "ok":
            raise CorruptStore(f"{path} is damaged: {said}", hint="Use another backup.")
        tables = [name for (name,) in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        return {name: copy.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in tables}  # noqa: S608 -- its own names


def _difference(stated: CopiedFile, found: CopiedFile) -> str:
    if found.sha256 != stated.sha256:
        return f"{found.size} bytes with another checksum, not {stated.size}"
    return f"{found.rows}, not {stated.rows}"


def _read(path: Path) -> Backup:
    try:
        facts = json.loads((path / MANIFEST).read_bytes())
        files = [CopiedFile(str(f["name"]), dict(f["rows"]), int(f["size"]), str(f["sha256"])) for f in facts["files"]]
        made, version = datetime.fromisoformat(facts["made"]), str(facts["version"])
    except OSError as error:
        raise UnreadableFile(
            f"{path} is no backup: {why_unread(error)}", hint=f"Name a folder that holds a {MANIFEST}."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptStore(f"{path / MANIFEST} is damaged", hint="Use another backup.") from error
    if bad := [file.name for file in files if Path(file.name).name != file.name or file.name.startswith(".")]:
        raise CorruptStore(f"{path / MANIFEST} names a file outside of the backup: {bad[0]!r}")
    return Backup(path, made, version, files)


def _to_json(backup: Backup) -> dict[str, object]:
    files = [asdict(file) for file in backup.files]
    return {"version": backup.version, "made": backup.made.isoformat(), "files": files}


def _remove_all_but(folder: Path, kept: int) -> Sequence[Path]:
    backups = sorted(path for path in folder.glob(f"{_NAME}*Z*") if (path / MANIFEST).is_file())
    removed = backups[: max(0, len(backups) - kept)]
    for path in removed:
        with _writing(path):
            shutil.rmtree(path)
    return removed


def _free(path: Path) -> Path:
    number = 1
    while (found := path if number == 1 else path.with_name(f"{path.name}-{number}")).exists():
        number += 1
    return found


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableFile(f"{path} cannot be read: {why_unread(error)}") from error


def _write(path: Path, data: bytes) -> None:
    with os.fdopen(open_private(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
        file.write(data)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unwritable(str(path), error) from error


@contextmanager
def _sqlite(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise store_error(StoreFile(path, str(path), REPAIR), error) from error
