"""Makes the README's table of exit codes from the error tree: python -m tests.made_exit_codes"""

from __future__ import annotations

from perkie_cli.domain import errors
from perkie_cli.domain.errors import EXIT_CODES, PerkieError
from tests.conftest import ROOT

README = ROOT / "README.md"
BEGIN, END = "<!-- exit-codes -->\n", "<!-- /exit-codes -->"


def table() -> str:
    """Code, meaning, and whether a script may try again, as the errors of that code say."""
    classes = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, PerkieError)]
    rows = ["| exit | meaning | try again later |", "|---|---|---|"]
    for code, meaning in EXIT_CODES.items():
        said = {each.retryable for each in classes if each.exit_code == code}
        again = "yes" if said == {True} else "see `retryable`" if True in said else ""
        rows.append(f"| {code} | {meaning} | {again} |".replace("|  |", "| |"))
    return "\n".join(rows) + "\n"


def written(readme: str) -> str:
    """The README with the table as it is now."""
    before, _, rest = readme.partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


if __name__ == "__main__":
    README.write_text(written(README.read_text("utf-8")), "utf-8")
