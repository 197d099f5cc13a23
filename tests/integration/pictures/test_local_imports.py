"""Listing styles and their parameters must stay quick: no numpy, no OpenCV."""

import subprocess
import sys

from tests.conftest import ROOT

CODE = """
import sys
import perkie_cli.engines.local.engine
from perkie_cli.engines.local.recipes import RECIPES
for recipe in RECIPES.values():
    recipe.settle({})
print(*sorted({"numpy", "cv2", "PIL", "pydantic"} & set(sys.modules)))
"""


def test_reading_recipes_imports_no_image_library() -> None:
    found = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, check=True, capture_output=True, text=True)
    assert found.stdout.strip() == ""
