"""Histories of a race, one JSON object a line, and what must never be found in one. The format: docs/history.md."""
