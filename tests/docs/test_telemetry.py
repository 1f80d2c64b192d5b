"""docs/telemetry.md lists every span and every attribute that the code makes, and no others."""

import ast
import re
from collections.abc import Iterator
from itertools import chain

from app.reconcile.decide import Action
from app.telemetry.names import CHANGED, OUTCOME
from tests.support.docs_pages import page, table
from tests.support.project import PROJECT

FOLDERS = ("app", "worker", "operator")
MAKERS = {"span", "server_span", "start_span", "start_as_current_span"}
ATTRIBUTE = re.compile(r"atomictickets\.[a-z_.]+")
NO_ATTRIBUTES = {
    "atomictickets.dev",  # the API group of the resource
    "atomictickets.api",  # this and the next one name connections in PostgreSQL
    "atomictickets.race",
}
ACTIONS = {action.value for action in Action if action not in (Action.NOTHING, Action.OBSERVE)}
LABELLED = {"generation", "round", "epoch"}  # the operator's `_bind_facts(generation=...)` makes the attribute's name


def sources() -> Iterator[ast.Module]:
    for folder in FOLDERS:
        for path in (PROJECT / folder).rglob("*.py"):
            yield ast.parse(path.read_text(encoding="utf-8"))


def texts() -> set[str]:
    """Return every string literal in the code."""
    nodes = chain.from_iterable(map(ast.walk, sources()))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def spans_made() -> set[str]:
    """Return the literal names of the spans that the code makes."""
    calls = (node for module in sources() for node in ast.walk(module) if isinstance(node, ast.Call) and node.args)
    return {
        call.args[0].value
        for call in calls
        if getattr(call.func, "id", getattr(call.func, "attr", "")) in MAKERS
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }


def documented(heading: str) -> set[str]:
    return {name for cells in table(page("telemetry.md"), heading) for name in cells[0].split(", ") if name}


def test_every_span_is_documented() -> None:
    assert spans_made() | ACTIONS | {"POST /buy-ticket"} <= documented("## Spans")


def test_every_documented_span_is_made() -> None:
    in_code = texts() | {f"POST {path}" for path in texts() if path.startswith("/")}
    assert documented("## Spans") - in_code == set()


def test_the_documented_attributes_are_those_in_the_code() -> None:
    in_code = {text for text in texts() if ATTRIBUTE.fullmatch(text)} - NO_ATTRIBUTES
    assert {CHANGED, OUTCOME} <= in_code
    assert documented("## Attributes") == in_code | {f"atomictickets.{name}" for name in LABELLED}
