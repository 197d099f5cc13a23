"""What the renderer writes: beside a progress bar, and to streams that take no more."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator

import pytest

from perkie_cli.cli.flags import GlobalFlags
from perkie_cli.cli.render import Renderer
from perkie_cli.domain.errors import BadInput, UsageError


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("flags", "no_color", "coloured"),
    [
        (GlobalFlags(), "", True),
        (GlobalFlags(), "1", False),
        (GlobalFlags(no_color=True), "", False),
    ],
)
def test_a_failure_has_its_hint_and_is_red_unless_colours_are_switched_off(
    monkeypatch: pytest.MonkeyPatch, flags: GlobalFlags, no_color: str, coloured: bool
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    screen = Terminal()
    with contextlib.redirect_stderr(screen):
        Renderer(flags).complain(BadInput("cat.png is empty", hint="Send a picture."))
    error, hint = screen.getvalue().splitlines()
    assert ("\x1b[31m" in error) is coloured
    assert hint == "  Send a picture."


def test_a_person_reads_a_result_once_and_a_pipe_gets_it_bare() -> None:
    for flags, out, told in (
        (GlobalFlags(), Terminal(), ""),
        (GlobalFlags(quiet=True), Terminal(), "cat.jpg\n"),
        (GlobalFlags(), io.StringIO(), "cat.jpg\n"),
    ):
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()) as remarks:
            Renderer(flags).result("cat.jpg", "cat.png → cat.jpg")
        assert out.getvalue() == told
        assert remarks.getvalue() == ("" if flags.quiet else "cat.png → cat.jpg\n")


def test_a_quiet_run_shows_no_bar() -> None:
    screen = Terminal()
    with contextlib.redirect_stderr(screen), Renderer(GlobalFlags(quiet=True)).progress(2, "drawing") as bar:
        bar.advance("cat.png")
    assert screen.getvalue() == ""


def test_a_failure_among_several_takes_the_place_of_the_bar() -> None:
    screen = Terminal()
    with contextlib.redirect_stderr(screen):
        renderer = Renderer(GlobalFlags())
        with renderer.progress(2, "drawing") as bar:
            renderer.complain(BadInput("cat.png is empty"))
            bar.advance("cat.png")
    line = next(line for line in screen.getvalue().split("\n") if "cat.png is empty" in line)
    left_over = line.partition("error:")[0].rpartition("\x1b[2K")[2]  # since the line was erased
    assert "drawing" not in left_over


@pytest.mark.parametrize(
    ("typed", "answer", "goes_ahead"),
    [(None, "y", True), (None, "YES", True), (None, "", False), (None, "n", False), ("all", "y", False)],
)
def test_a_yes_is_y_or_yes_unless_a_word_must_be_typed(
    monkeypatch: pytest.MonkeyPatch, typed: str | None, answer: str, goes_ahead: bool
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(f"{answer}\n"))
    refused = contextlib.nullcontext() if goes_ahead else pytest.raises(UsageError, match="nothing was changed")
    with contextlib.redirect_stderr(Terminal()) as screen, refused:
        Renderer(GlobalFlags()).confirm("Remove 9 objects?", yes=False, typed=typed)
    assert screen.getvalue() == f"Remove 9 objects? [{typed or 'y/N'}] "


def test_any_name_may_stand_beside_the_bar() -> None:
    screen = Terminal()
    with contextlib.redirect_stderr(screen), Renderer(GlobalFlags()).progress(2, "[/b].png") as bar:
        bar.advance("\x1b]0;title\x07.png")
    assert "[/b].png" in screen.getvalue()
    assert r"\x1b]0;title\x07.png" in screen.getvalue()


@pytest.fixture(params=["full", "left"])
def stuck(request: pytest.FixtureRequest) -> Iterator[io.TextIOBase]:
    """A stream that takes nothing: its disk is full, or its reader has left."""
    if request.param == "full":
        writer = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, writer = os.pipe()
        os.close(reader)
    with os.fdopen(writer, "w", buffering=1) as stream:
        yield stream


def test_an_error_whose_envelope_cannot_be_written_is_told_on_stderr(stuck: io.TextIOBase) -> None:
    told = io.StringIO()
    with contextlib.redirect_stdout(stuck), contextlib.redirect_stderr(told):
        assert Renderer(GlobalFlags(json=True)).fail(BadInput("cat.png is empty")) == 3
    assert told.getvalue() == "error: cat.png is empty\n"


def test_a_stderr_that_takes_no_more_is_no_error(stuck: io.TextIOBase) -> None:
    with contextlib.redirect_stderr(stuck):
        renderer = Renderer(GlobalFlags(verbose=True))
        renderer.say("cat.png is drawn")
        renderer.warn("it is small")
        renderer.unexpected(ValueError("a bug"))
