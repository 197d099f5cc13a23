"""What a client of the shop asked for and what it got: the other side of the server's own books."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from perkie_cli.domain.frozen import frozen

STYLE = "van_gogh_post_impressionism"  # keeps the pet's colours, so that pets can be told apart
PETS = 4  # different pets; any number of different photos of them


@frozen
class Order:
    """One picture to ask for; ``at``: seconds after the start. ``again``: the client has it already.

    ``cut_out``: of the pet without its background.
    """

    photo: int
    session: str
    at: float = 0.0
    again: bool = False
    cut_out: bool = False
    style: str = STYLE

    @property
    def pet(self) -> int:
        """Which pet the photo shows."""
        return self.photo % PETS


@frozen
class Answer:
    """What came: ``status`` 0 where nothing whole came, ``seconds`` since it was to be sent, ``problem`` its code.

    Without an answer the code is ``refused`` (the connection), ``broken_off`` or ``no_answer`` (in time).
    ``picture`` is the file that holds what was sent with 200.
    """

    order: Order
    seconds: float
    status: int
    problem: str = ""
    retry_after: bool = False
    engine: str = ""
    cache: str = ""
    degraded: bool = False
    picture: str | None = None

    @property
    def charged(self) -> bool:
        """Whether the quota should have counted it: drawn by Gemini for this request, not from a cache."""
        return self.status == 200 and self.engine == "gemini" and not self.degraded and self.cache in ("miss", "off")

    @property
    def hit(self) -> bool:
        """Whether it came from the cache."""
        return self.status == 200 and self.cache in ("hit", "shared", "near")

    def fields(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> Answer:
        """From JSON."""
        return cls(**{**fields, "order": Order(**fields["order"])})


@dataclass
class Ledger:
    """All answers so far, and the numbers of the next photos and sessions."""

    answers: list[Answer] = field(default_factory=list)
    _photos: Iterator[int] = field(default_factory=count)
    _sessions: Iterator[int] = field(default_factory=count)

    def new_photo(self) -> int:
        """The number of a photo that nobody has sent."""
        return next(self._photos)

    def new_session(self) -> str:
        """A session that nobody has used."""
        return f"chaos-{next(self._sessions)}"

    def known(self) -> list[Answer]:
        """Good answers that the cache should have: whoever asks again should get the same."""
        return [each for each in self.answers if each.status == 200 and not each.degraded and not each.order.again]

    def successes(self) -> Counter[str]:
        """Pictures that should have been charged, by session; 0 for those that asked and got none."""
        found = Counter({each.order.session: 0 for each in self.answers})
        found.update(each.order.session for each in self.answers if each.charged)
        return found

    def unanswered(self) -> Counter[str]:
        """Requests whose end the client does not know, by session."""
        return Counter(each.order.session for each in self.answers if each.status == 0)


def picture_file(folder: Path, number: int) -> Path:
    """Where the picture of an answer is kept."""
    return folder / f"{number}.jpg"
