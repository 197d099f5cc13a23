"""Responses: answers, problems, schemas, events."""
