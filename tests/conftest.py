"""The conftest of all tests. It loads every module under tests/fixtures, so that any test can use their fixtures."""

from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.fixtures", "tests.support")  # must precede the first import of any of them
pytest_plugins = [
    f"tests.fixtures.{module.stem}"
    for module in sorted(Path(__file__).with_name("fixtures").glob("*.py"))
    if module.stem != "__init__"
]
