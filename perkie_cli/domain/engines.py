"""Every engine by name: what it is, what it can do, and which one ``auto`` means. Only this module decides that."""

from __future__ import annotations

from perkie_cli.domain.frozen import frozen

AUTO = "auto"


@frozen
class EngineFacts:
    """``modes``: those it has; ``paid``: a picture costs money; ``weights``: it runs a model file in this process.

    ``gpu``: on a GPU, where there is one.
    """

    help: str
    modes: tuple[str, ...] = ()
    paid: bool = False
    weights: bool = False
    gpu: bool = False


DRAWING = {
    "gemini": EngineFacts("Google's image models", paid=True),
    "local": EngineFacts("on this machine, free of charge"),
}
MATTING = {
    "inspyrenet": EngineFacts("a large network on this machine", modes=("base", "fast"), weights=True, gpu=True),
    "builtin": EngineFacts("the small network that comes with perkie"),
    "remote": EngineFacts("another perkie", modes=("base", "fast")),
}
MODES = tuple(dict.fromkeys(mode for facts in MATTING.values() for mode in facts.modes))

AUTO_DRAWING = "auto is gemini where a key is set, else local"
AUTO_MATTING = "auto is remote where remote_url is set, else inspyrenet where it is installed, else builtin"
STAND_IN = "builtin"  # the fallback when the others fail: it needs nothing that could be missing
FINER_FUR = "cut out by the builtin network; for finer fur: pip install 'perkie-cli[matting]'"


def auto_drawing(*, has_gemini: bool) -> str:
    """The engine that ``auto`` draws with; ``has_gemini``: it is configured. ``AUTO_DRAWING`` says this to users."""
    return "gemini" if has_gemini else "local"


def auto_matting(*, has_remote: bool, has_inspyrenet: bool) -> str:
    """The engine that ``auto`` cuts out with: the best one available. ``AUTO_MATTING`` says this to users.

    ``has_inspyrenet``: it is installed, and this process has enough memory for it.
    """
    if has_remote:
        return "remote"
    return "inspyrenet" if has_inspyrenet else STAND_IN


@frozen
class DrawingChoice:
    """What is configured: an engine or ``auto``, which one ``auto`` is, and the long side of a picture in px."""

    engine: str
    auto: str
    size: int

    def meant(self, engine: str | None = None) -> str:
        """The name of the engine that a request for ``engine`` gets; None is the configured one."""
        return _meant(engine or self.engine, self.auto)


@frozen
class MattingChoice:
    """What is configured: an engine or ``auto``, which one ``auto`` is, and the mode."""

    engine: str
    auto: str
    mode: str

    def meant(self, engine: str | None = None) -> str:
        """The name of the engine that a request for ``engine`` gets; None is the configured one."""
        return _meant(engine or self.engine, self.auto)

    @property
    def could_be_finer(self) -> bool:
        """Whether ``auto`` fell back to the small network."""
        return self.engine == AUTO and self.auto == STAND_IN

    def needs_weights(self, engine: str | None = None) -> bool:
        """Whether that engine runs a model file in this process."""
        facts = MATTING.get(self.meant(engine))
        return facts is not None and facts.weights

    @property
    def uses_gpu(self) -> bool:
        """Whether the configured engine runs on a GPU, where there is one."""
        facts = MATTING.get(self.meant())
        return facts is not None and facts.gpu


def _meant(engine: str, auto: str) -> str:
    return auto if engine == AUTO else engine
