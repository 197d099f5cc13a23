"""The emulators under the clients of others."""
