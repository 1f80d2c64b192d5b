"""Register the toy strategy in every process of an installation: PYTHONPATH makes Python import this at each start."""

import sys
from typing import Any, cast

if "app.blasts.load" not in sys.orig_argv:  # a load generator knows no strategy, and the imports take a second
    from app.strategies.registry import STRATEGIES
    from tests.support.toy_strategy import ToyStrategy

    cast("dict[str, Any]", STRATEGIES)[ToyStrategy.name] = ToyStrategy
