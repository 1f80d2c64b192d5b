"""Every module under tests/fixtures is a set of fixtures that any test may ask for."""

from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.fixtures", "tests.support")  # also of those that another one imports first
pytest_plugins = [
    f"tests.fixtures.{module.stem}"
    for module in sorted(Path(__file__).with_name("fixtures").glob("*.py"))
    if module.stem != "__init__"
]
