"""A body as named values, and the rules for names and lists in forms, JSON and queries.

Unknown names are refused, and so are values given twice. A list (``styles``) is given as a JSON array, as a repeated
field (``styles=a&styles=b``), with brackets (``styles[]=a``, ``styles[0]=a``) or as one comma-separated text.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from perkie_cli.domain.errors.wrong_value import reason
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.spelling import did_you_mean
from perkie_cli.http.answer.problems import EmptyUpload, InvalidFields
from perkie_cli.http.request.image_field import decode_image_field, decode_plain
from perkie_cli.http.request.json_body import Unread

M = TypeVar("M", bound=BaseModel)
PICTURE_FIELDS = ("image", "image_data")  # the names for a single picture
_BRACKETS = re.compile(r"(.+)\[\d{0,3}\]")
_LONGEST_NAME = 60  # characters of a name in a message


@frozen
class Upload:
    """A file from a form or a raw body."""

    data: bytes
    name: str  # of the field or file, for messages


@dataclass(slots=True)
class Fields:
    """A body as named values; ``files`` only come from multipart forms. A repeated form field becomes a list."""

    values: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Upload] = field(default_factory=dict)

    def add_text(self, name: str, value: str) -> None:
        """Adds a field of a form."""
        plain = _BRACKETS.fullmatch(name)
        name = plain[1] if plain else name
        self._refuse_twice(name, name in self.files)
        if plain or name in self.values:
            before = self.values.get(name, [])
            self.values[name] = [*(before if isinstance(before, list) else [before]), value]
        else:
            self.values[name] = value

    def add_file(self, name: str, upload: Upload) -> None:
        """Adds a file of a form; no field accepts several files."""
        self._refuse_twice(name, name in self.files or name in self.values)
        self.files[name] = upload

    def _refuse_twice(self, name: str, twice: bool) -> None:
        if twice:
            raise InvalidFields(f"{name[:_LONGEST_NAME]} was sent twice", hint="Send each file once.")


def validated(model: type[M], fields: Fields, files: Collection[str] = PICTURE_FIELDS) -> M:
    """Validates the values with the model, except those named in ``files``: ``picture_of`` takes them.

    Raises: InvalidFields with a sentence that names every wrong field.
    """
    known = {*model.model_fields, *files}
    stray = [name for name in fields.files if name not in files]
    if stray:
        raise InvalidFields(
            f"{stray[0][:_LONGEST_NAME]}: no file is expected under this name", hint=_hint(stray, known)
        )
    try:
        return model.model_validate({name: value for name, value in fields.values.items() if name not in files})
    except ValidationError as error:
        wrong = error.errors(include_url=False)[:5]
        unknown = [str(each["loc"][-1]) for each in wrong if each["type"] == "extra_forbidden"]
        raise InvalidFields("; ".join(map(_sentence, wrong)), hint=_hint(unknown, known)) from error


def _sentence(wrong: ErrorDetails) -> str:
    name = ".".join(map(str, wrong["loc"]))[:_LONGEST_NAME] or "body"
    if wrong["type"] == "extra_forbidden":
        return f"{name}: there is no such field"
    if isinstance(wrong["input"], list) and len(wrong["loc"]) == 1:
        sent = len(wrong["input"])
        return f"{name}: one value is expected, " + (f"but {sent} were sent" if sent > 1 else "not a list")
    return f"{name}: {reason(wrong)}"


def refuse_unknown(names: Iterable[str], known: Collection[str], kind: str = "field") -> None:
    """Refuses names that are not ``known``; ``kind`` is their name in the message.

    Raises: InvalidFields for the first unknown name, with a suggestion.
    """
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InvalidFields(f"{unknown[0][:_LONGEST_NAME]}: there is no such {kind}", hint=_hint(unknown, known))


def refuse_repeated(counts: Mapping[str, int]) -> None:
    """Refuses names that were given more than once.

    Raises: InvalidFields.
    """
    for name, count in counts.items():
        if count > 1:
            raise InvalidFields(f"{name}: one value is expected, but {count} were sent")


def _hint(unknown: Sequence[str], known: Collection[str]) -> str | None:
    if not unknown:
        return None
    guess = did_you_mean(unknown[0][:_LONGEST_NAME], known)
    return f"{guess} Known names: {', '.join(sorted(known)) or 'none'}.".strip()


def picture_of(fields: Fields, names: Sequence[str], max_image: int) -> Upload | None:
    """Takes the picture under one of ``names``: an uploaded file, base64 or a data URL. Blank strings count as absent.

    It is no longer among the fields then, which would keep its text in memory.

    Raises: MalformedBody, TooManyBytes, EmptyUpload, InvalidFields for a value that is not a string, or for two
    pictures.
    """
    given = [name for name in names if name in fields.files or fields.values.get(name) not in (None, "")]
    if len(given) > 1:
        raise InvalidFields(f"{' and '.join(given)} were both sent; send only one", hint="Send one picture.")
    if not given:
        return None
    (name,) = given
    if name in fields.files:
        upload = fields.files.pop(name)
        if not upload.data:
            raise EmptyUpload(f"{upload.name[:_LONGEST_NAME]} arrived empty", hint="Choose the photo once more.")
        return upload
    value = fields.values.pop(name)
    if isinstance(value, Unread):
        if (data := decode_plain(value.content, max_image)) is not None:
            return Upload(data, name)
        value = value.read()
    if not isinstance(value, str):
        raise InvalidFields(f"{name}: not a string")
    return Upload(decode_image_field(value, max_image, name), name)
