"""How old this process is."""

from __future__ import annotations

import os
import time
from pathlib import Path

_STARTED = 21 - 2  # the 22nd field of /proc/self/stat, counted behind the name, which may contain spaces
_LONGEST = 3600.0  # seconds; a sandbox may count from another beginning


def seconds_since_start() -> float | None:
    """Seconds since the kernel started this process, imports included; None where it does not tell.

    https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    """
    try:
        fields = Path("/proc/self/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        began = int(fields[_STARTED]) / os.sysconf("SC_CLK_TCK")
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - began
    except (OSError, ValueError, IndexError, AttributeError):
        return None
    return age if 0 <= age < _LONGEST else None
