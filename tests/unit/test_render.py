"""What the renderer writes to a terminal."""

import contextlib
import io

import pytest

from perkie_cli.cli.flags import GlobalFlags
from perkie_cli.cli.render import Renderer
from perkie_cli.domain.errors import BadInput


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
def test_a_failure_has_its_hint_and_is_red_unless_colours_are_switched_off(monkeypatch, flags, no_color, coloured):
    monkeypatch.setenv("NO_COLOR", no_color)
    screen = Terminal()
    with contextlib.redirect_stderr(screen):
        Renderer(flags).complain(BadInput("cat.png is empty", hint="Send a picture."))
    error, hint = screen.getvalue().splitlines()
    assert ("\x1b[31m" in error) is coloured
    assert hint == "  Send a picture."


def test_a_failure_among_several_takes_the_place_of_the_bar():
    screen = Terminal()
    with contextlib.redirect_stderr(screen):
        renderer = Renderer(GlobalFlags())
        with renderer.progress(2, "drawing") as bar:
            renderer.complain(BadInput("cat.png is empty"))
            bar.advance("cat.png")
    line = next(line for line in screen.getvalue().split("\n") if "cat.png is empty" in line)
    left_over = line.partition("error:")[0].rpartition("\x1b[2K")[2]  # since the line was erased
    assert "drawing" not in left_over
