"""docs/settings.md lists every variable that a process reads, with its default."""

import re

import pytest
from pydantic.fields import FieldInfo

from app import settings
from app.settings import EnvironmentSettings
from flashsale_operator.settings import OperatorSettings
from tests.support.docs_pages import page, table
from tests.support.project import PROJECT

CLASSES = [each for each in vars(settings).values() if isinstance(each, type) and issubclass(each, EnvironmentSettings)]
CLASSES.remove(EnvironmentSettings)
CLASSES.append(OperatorSettings)
READ = re.compile(r"""(?:environ(?:\.get\(|\[)|getenv\()"([A-Z_]+)"|"([A-Z_]+)" (?:not )?in os\.environ""")


def variables(settings_class: type[EnvironmentSettings]) -> dict[str, str]:
    """Return the default of each variable, as it would be written in the environment."""
    prefix = settings_class.model_config.get("env_prefix", "")
    return {f"{prefix}{name}".upper(): default_of(field) for name, field in settings_class.model_fields.items()}


def default_of(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return "computed"
    return "unset" if field.default is None else str(field.default)


@pytest.mark.parametrize("settings_class", CLASSES, ids=lambda each: each.__name__)
def test_every_setting_is_listed_with_its_default(settings_class: type[EnvironmentSettings]) -> None:
    rows = table(page("settings.md"), f"## {settings_class.__name__}")
    assert {name: default for name, default, *_ in rows} == variables(settings_class)


def test_no_variable_is_read_outside_the_settings() -> None:
    sources = [path for folder in ("app", "worker") for path in (PROJECT / folder).rglob("*.py")]
    assert READ.search('os.environ["A"]')  # the control
    assert {name for path in sources for found in READ.findall(path.read_text()) for name in found if name} == set()


def test_the_prefixes_of_the_probes_are_listed() -> None:
    sources = [path for folder in ("app", "worker") for path in (PROJECT / folder).rglob("*.py")]
    prefixes = {found for path in sources for found in re.findall(r'ProbeSettings\.of\("(\w+)"\)', path.read_text())}
    rows = table(page("settings.md"), "Their names, and when each process is ready:")
    listed = {name for _, names, _ in rows for name in names.split(", ")}
    assert listed == {f"{prefix}{name}" for prefix in prefixes for name in ("PROBE_PORT", "READY_FILE")}
