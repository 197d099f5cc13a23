"""Published clients and checkers for Node, installed once into a folder of the machine's own temporary one."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

SOURCE = Path(__file__).parent / "clients"
WIDGET_TOOLS = Path(__file__).parent / "widget_tools"
INSTALL_WITHIN = 280  # seconds


@functools.cache
def node_folder(source: Path = SOURCE) -> Path | str:
    """Where the scripts of ``source`` can run with its packages, or why they cannot."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "no node and npm on this machine"
    wanted = (source / "package.json").read_bytes()
    place = Path(tempfile.gettempdir(), f"perkie-node-{os.getuid()}-{hashlib.sha256(wanted).hexdigest()[:16]}")
    if not place.exists():
        problem = _install(source, place)
        if problem is not None:
            return problem
    for script in source.glob("*.[cm]js"):
        shutil.copy(script, place)
    return place


def _install(source: Path, place: Path) -> str | None:
    """What went wrong, if anything."""
    folder = Path(tempfile.mkdtemp(prefix=f"{place.name}."))
    shutil.copy(source / "package.json", folder)
    command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
    env = {**os.environ, "HOME": pwd.getpwuid(os.getuid()).pw_dir}  # whose settings name the registry
    try:
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, timeout=INSTALL_WITHIN, check=False)
    except subprocess.TimeoutExpired:
        return f"npm install took over {INSTALL_WITHIN} s"
    if done.returncode != 0:
        return f"npm install failed: {done.stderr.decode(errors='replace')[-200:]}"
    try:
        folder.rename(place)
    except OSError:  # another run was first
        shutil.rmtree(folder)
    return None


async def run_node(script: str, *args: str | Path, **env: str) -> None:
    """Runs a script of ``tests/clients``, which says ok at its end."""
    folder = node_folder()
    assert isinstance(folder, Path)
    process = await asyncio.create_subprocess_exec(
        *("node", script, *map(str, args)),
        cwd=folder,
        env={**os.environ, "METADATA_SERVER_DETECTION": "none", **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert (process.returncode, out.decode().splitlines()[-1:]) == (0, ["ok"]), err.decode()
