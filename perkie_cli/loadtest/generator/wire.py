"""The bytes of a request: everything that does not change is put together once."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from urllib.parse import SplitResult

import perkie_cli
from perkie_cli.loadtest.generator.choices import Choice
from perkie_cli.loadtest.photos import Photos
from perkie_cli.loadtest.scenario import RAW, SLOTS, Call

BOUNDARY = b"perkie-load-test-7MA4YWxkTrZu0gW"
_PHOTO = "\x00photo\x00"  # stands for the photo in a JSON body; no JSON text holds a NUL
_SLOT = re.compile(r"\{(" + "|".join(SLOTS) + r")\}")


class Message:
    """Makes the requests of one call."""

    def __init__(self, call: Call, target: SplitResult, photos: Photos | None, headers: Mapping[str, str]) -> None:
        self._photos = photos
        before, after, kind = _body(call)
        self._before, self._after = Text(before), Text(after)
        self._encoded = bool(call.json)
        self._line = Text(f"{call.method} {target.path.rstrip('/')}{call.path} HTTP/1.1\r\n")
        fixed = {"Host": target.netloc.rpartition("@")[2], "User-Agent": f"perkie-load-test/{perkie_cli.__version__}"}
        if kind:
            fixed["Content-Type"] = kind
        fixed |= {"Accept": "*/*"} | {name.title(): value for name, value in {**call.headers, **headers}.items()}
        self._head = Text("".join(f"{name}: {value}\r\n" for name, value in fixed.items()))
        self._sends = bool(call.photo or before)
        self._rests: dict[int, bytes] = {}  # base64 of what photos share, by identity of its bytes
        plain = all(text.plain for text in (self._line, self._head, self._before, self._after))
        self._same = self._made({}, ()) if plain and not call.photo else None

    def payload(self, choice: Choice, run: str) -> Sequence[bytes]:
        """The whole request in parts; ``run`` makes owners differ from those of other runs."""
        if self._same is not None:
            return self._same
        values = {"customer": f"load-{run}-{choice.owner}", "session": f"load-{run}-{choice.owner}"}
        values["n"] = str(choice.number)
        return self._made(values, self._photo(choice))

    def _made(self, values: Mapping[str, str], photo: tuple[bytes, ...]) -> Sequence[bytes]:
        line, head = self._line.filled(values), self._head.filled(values)
        if not self._sends:
            return (b"".join((line, head, b"\r\n")),)
        body = (self._before.filled(values), *photo, self._after.filled(values))
        length = b"Content-Length: %d\r\n\r\n" % sum(map(len, body))
        return (b"".join((line, head, length, body[0])), *body[1:])

    def _photo(self, choice: Choice) -> tuple[bytes, ...]:
        if choice.photo < 0 or self._photos is None:
            return ()
        own, rest = self._photos.parts(choice.photo)
        if not self._encoded:
            return own, rest
        encoded = self._rests.get(id(rest))
        if encoded is None:
            encoded = self._rests[id(rest)] = b64encode(rest)
        return b64encode(own), encoded


class Text:
    """A text with slots, split once."""

    def __init__(self, template: str) -> None:
        self._parts = _SLOT.split(template)
        self._bytes = template.encode() if len(self._parts) == 1 else None

    @property
    def plain(self) -> bool:
        """Whether there are no slots."""
        return self._bytes is not None

    def filled(self, values: Mapping[str, str]) -> bytes:
        """With the slots' values."""
        if self._bytes is not None:
            return self._bytes
        parts = (values[part] if number % 2 else part for number, part in enumerate(self._parts))
        return "".join(parts).encode()


def _body(call: Call) -> tuple[str, str, str]:
    """What stands before and after the photo, and the media type; without a photo all of it stands before."""
    if call.json:
        table = {**call.json, **({call.photo: _PHOTO} if call.photo else {})}
        text = json.dumps(table, ensure_ascii=False)
        before, _, after = text.partition(json.dumps(_PHOTO)[1:-1])
        return before, after, "application/json"
    if call.photo == RAW:
        return "", "", "image/jpeg"
    if call.form or call.photo:
        return _form(call)
    return "", "", ""


def _form(call: Call) -> tuple[str, str, str]:
    line = f"--{BOUNDARY.decode()}"
    fields = "".join(
        f'{line}\r\nContent-Disposition: form-data; name="{_quoted(name)}"\r\n\r\n{value}\r\n'
        for name, value in call.form.items()
    )
    kind = f"multipart/form-data; boundary={BOUNDARY.decode()}"
    if not call.photo:
        return f"{fields}{line}--\r\n", "", kind
    file = f'Content-Disposition: form-data; name="{_quoted(call.photo)}"; filename="photo.jpg"'
    return f"{fields}{line}\r\n{file}\r\nContent-Type: image/jpeg\r\n\r\n", f"\r\n{line}--\r\n", kind


def _quoted(name: str) -> str:
    """A field's name as browsers write it."""
    return name.replace('"', "%22")
