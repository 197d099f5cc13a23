"""Shipping to Cloud Run: manifests from one settings file, and a canary that goes back by itself."""
