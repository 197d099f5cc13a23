"""Secrets among the settings; the type itself is the domain's, since engines hold keys too."""

from __future__ import annotations

from perkie_cli.domain.secret import Secret

__all__ = ["Secret"]
