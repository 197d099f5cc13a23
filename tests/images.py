"""Container images without a daemon and without a registry: a Debian base by mmdebstrap, images by buildah."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import ROOT

BASE = "docker.io/library/perkie-base:bookworm"
_PACKAGES = "python3-minimal,python3-venv,ca-certificates"
# What pip needs of this machine to find packages: where its index is, and whom it trusts.
_MOUNTS = ("/etc/pip.conf", "/etc/xdg/pip", "/etc/ssl/certs", "/usr/local/share/ca-certificates")
_POLICY = {"default": [{"type": "insecureAcceptAnything"}]}


def missing() -> str | None:
    """Why no image can be built here."""
    if os.geteuid() != 0:
        return "images are built as root here"
    lacking = [name for name in ("buildah", "mmdebstrap", "chroot") if shutil.which(name) is None]
    return f"no {', '.join(lacking)} here" if lacking else None


@dataclass(frozen=True)
class Builder:
    """buildah with a storage of its own below ``folder``."""

    folder: Path

    def buildah(self, *words: str, timeout: float = 1200) -> str:
        """Its stdout. Raises: AssertionError with all that it said."""
        storage = ("--storage-driver", "vfs", "--root", f"{self.folder}/root", "--runroot", f"{self.folder}/run")
        done = _run(["buildah", *storage, *words], timeout)
        assert done.returncode == 0, f"buildah {' '.join(words)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def base(self) -> None:
        """Makes the base image from Debian's packages."""
        archive = self.folder / "base.tar"
        done = _run(["mmdebstrap", "--variant=minbase", f"--include={_PACKAGES}", "bookworm", str(archive)], 1200)
        assert done.returncode == 0, done.stderr[-4000:]
        container = self.buildah("from", "scratch").strip()
        self.buildah("add", container, str(archive))
        self.buildah("commit", "--rm", *self._policy(), container, BASE)
        archive.unlink()

    def build(self, dockerfile: str, tag: str, *more: str) -> str:
        """Builds an image from the repository's root; what buildah said."""
        mounts = [f"--volume={path}:{path}:ro" for path in _MOUNTS if Path(path).exists()]
        mounts += [f"--volume={folder}:{folder}:ro" for folder in _index_folders()]
        return self.buildah(
            "build", "--isolation", "chroot", "--pull-never", "--network", "host", *self._policy(), *mounts,
            "--build-arg", f"BASE={BASE}", "--file", str(ROOT / "images" / dockerfile), "--tag", tag, *more, str(ROOT),
        )  # fmt: skip

    def config(self, tag: str) -> dict[str, Any]:
        """The image's configuration, as the OCI has it."""
        found: dict[str, Any] = json.loads(self.buildah("inspect", "--type", "image", tag))["OCIv1"]["config"]
        return found

    def unpacked(self, tag: str) -> Path:
        """The image's root file system."""
        container = self.buildah("from", "--pull-never", tag).strip()
        return Path(self.buildah("mount", container).strip())

    def _policy(self) -> Sequence[str]:
        path = self.folder / "policy.json"
        path.write_text(json.dumps(_POLICY))
        return ("--signature-policy", str(path))


def _index_folders() -> list[str]:
    """Folders that pip's configuration names as places of packages, so that they are there in the build, too."""
    said = _run(["pip", "config", "list"], 60).stdout
    words = [word.strip("'\"\\n").removeprefix("file://") for word in said.replace("=", " ").split()]
    return sorted({word for word in words if word.startswith("/") and Path(word).is_dir() and word not in _MOUNTS})


def _run(command: Sequence[str], timeout: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
