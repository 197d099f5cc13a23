"""What a Gemini API may answer: one row a kind, gathered from public reports, and what perkie has to make of it.

``Row.source`` names a report where there is one to name.
"""

from tests.gemini_answers.drawn import bad, blocks, money, pictures
from tests.gemini_answers.refused import refused, unreadable

ROWS = [*pictures(), *bad(), *blocks(), *money(), *refused(), *unreadable()]
assert len({row.name for row in ROWS}) == len(ROWS)
