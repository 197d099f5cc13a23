"""What the renderer writes to a terminal while a bar is shown there."""

import contextlib
import io

from perkie_cli.cli.flags import GlobalFlags
from perkie_cli.cli.render import Renderer
from perkie_cli.domain.errors import BadInput


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


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
