"""Everything that the pages refer to exists: tests, files, other pages, problem types, log lines, metrics."""

import re
from pathlib import Path

import pytest
from prometheus_client import Counter, Gauge, Histogram

from app.api.problem_types import EXPLANATIONS
from app.drain import meters as drain
from app.ledger.models import Base
from app.races import meters as races
from app.reconcile import meters as reconcile
from app.strategies import meters as strategies
from app.telemetry.metrics import GAUGES
from tests.support.docs_pages import PAGES, anchors, page, table
from tests.support.project import PROJECT

FOLDERS = "app|worker|operator|charts|k8s|tools|tests|docs|requirements"
PATH = re.compile(rf"(?<![\w/])((?:{FOLDERS})/[\w./-]*\w\.(?:py|lua|md|txt|toml|yaml|json))(?:::(\w+))?")
LINK = re.compile(r"\]\(([^)#:]*\.md)?(?:#([\w-]+))?\)")
TERM = re.compile(r"\b(gate|ledger|fence|drain|witness)(s|es)?\b")
IMAGE = re.compile(r'(?:src|srcset)="([^":]+)"')


def defines(path: Path, name: str) -> bool:
    return re.search(rf"^\s*(async )?def {name}\(|^class {name}\b", path.read_text(), re.MULTILINE) is not None


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_file_and_test_that_is_named_exists(path: Path) -> None:
    named = PATH.findall(path.read_text(encoding="utf-8"))
    missing = [
        f"{file}::{name}" if name else file
        for file, name in named
        if not (PROJECT / file).is_file() or (name and not defines(PROJECT / file, name))
    ]
    assert missing == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_link_leads_to_a_page_and_a_heading(path: Path) -> None:
    broken = []
    for page_name, anchor in LINK.findall(path.read_text(encoding="utf-8")):
        target = path.parent / page_name if page_name else path
        if not target.is_file() or (anchor and anchor not in anchors(target)):
            broken.append((page_name, anchor))
    assert broken == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_that_uses_the_projects_terms_leads_to_their_explanation(path: Path) -> None:
    text = re.sub(r"`[^`]*`", "", path.read_text(encoding="utf-8"))
    used = TERM.search(text)
    assert path.name in ("architecture.md", "CHANGELOG.md") or not used or "architecture.md#words" in text


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_picture_exists(path: Path) -> None:
    named = IMAGE.findall(path.read_text(encoding="utf-8"))
    assert [name for name in named if not (path.parent / name).is_file()] == []


def test_a_missing_test_would_be_noticed() -> None:
    assert not defines(Path(__file__), "test_that_does_not_exist")


def test_every_script_is_documented() -> None:
    rows = table(page("architecture.md"), "Each script documents at its top what it takes and returns:")
    documented = {name for names, _ in rows for name in names.split(", ")}
    assert documented == {path.stem for path in (PROJECT / "app/gate/lua").glob("*.lua")}


def test_every_table_is_documented() -> None:
    assert {name for name, _ in table(page("architecture.md"), "## Tables of the ledger")} == set(Base.metadata.tables)


def test_every_problem_type_is_documented() -> None:
    rows = table(page("http-api.md"), "## Problem types")
    assert {(int(status), slug) for status, slug, *_ in rows} == {(each.status, each.slug) for each in EXPLANATIONS}


def test_every_documented_log_line_is_written() -> None:
    source = "\n".join(path.read_text() for folder in ("app", "worker") for path in (PROJECT / folder).rglob("*.py"))
    rows = table(page("operations.md"), "## Log lines")
    assert [event for event, *_ in rows if f'"{event}"' not in source] == []


def test_every_gauge_of_a_sale_is_documented() -> None:
    names = [name for name, *_ in table(page("operations.md"), "## Metrics")]
    prefix = "atomictickets_sale_"
    documented = {name.removesuffix("{sale}").removeprefix(prefix) for name in names if name.startswith(prefix)}
    assert documented == set(GAUGES)


def test_every_other_meter_is_documented() -> None:
    documented = "\n".join(name for name, *_ in table(page("operations.md"), "## Metrics"))
    meters = [
        each
        for module in (drain, races, reconcile, strategies)
        for each in vars(module).values()
        if isinstance(each, Counter | Gauge | Histogram)
    ]
    assert meters
    for metric in (metric for meter in meters for metric in meter.collect()):
        assert metric.name in documented
