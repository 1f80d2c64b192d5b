"""Registers the toy in every process of an installation: Python imports this at each start where PYTHONPATH has it."""

from typing import Any, cast

from app.strategies.registry import STRATEGIES
from tests.support.toy_strategy import ToyStrategy

cast("dict[str, Any]", STRATEGIES)[ToyStrategy.name] = ToyStrategy
