"""A stored picture whose facts somebody's tool wrote."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np
import pytest

from perkie_cli.domain.pictures.result import CacheOutcome
from perkie_cli.imaging import codec
from perkie_cli.imaging.raster import Raster
from perkie_cli.ports import Blob, BlobInfo
from perkie_cli.services.pictures.found import found_in


@pytest.mark.parametrize("facts", [{}, {"width": "wide", "height": "3"}, {"width": "4"}])
def test_facts_that_make_no_sense_are_read_from_the_picture(facts: Mapping[str, str]) -> None:
    master = codec.encode_master(Raster(np.zeros((30, 40, 3), np.uint8)))
    now = datetime(2026, 5, 1, tzinfo=UTC)
    info = BlobInfo("shared/ab/ab_ink_wash_1.jpg", len(master.data), "image/jpeg", "", now, now, 1, facts)
    picture = found_in(Blob(info, master.data), info.key, CacheOutcome.HIT).picture
    assert (picture.width, picture.height) == (40, 30)
