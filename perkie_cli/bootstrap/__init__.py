"""Wires perkie together: which implementation is behind which port. ``services`` lists all parts."""

from perkie_cli.bootstrap.services import Overrides, Profile, Services, build_services

__all__ = ["Overrides", "Profile", "Services", "build_services"]
