"""Connections: uvicorn's protocols, with limits on what a client may make them hold."""
