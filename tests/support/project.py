"""The project's directory."""

from pathlib import Path

PROJECT = Path(__file__).parents[2]
