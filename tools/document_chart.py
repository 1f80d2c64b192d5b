"""Generate the chart's values.schema.json and the tables in its README from values.yaml and the settings classes.

    python tools/document_chart.py [--check]

The comment above a value describes it (`# -- ...`). If the default does not show the value's type or limits, the
comment also has a JSON Schema (`# @schema {...}`). Objects allow no other keys, so that a typing error is refused by
name, except objects whose default is empty or that are marked with `{"open": true}`. The chart's copy of the CRD comes
from k8s/crd.yaml, and its version from pyproject.toml. With --check nothing is written, and the exit code is 1 if a
file is stale.
"""

import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import yaml
from pydantic_settings import BaseSettings

from app.settings import ApiSettings, DrainSettings, GateSettings, LedgerSettings, ReconcileSettings
from flashsale_operator.settings import OperatorSettings

CHART = Path(__file__).parents[1] / "charts" / "atomictickets"
SETTINGS: tuple[type[BaseSettings], ...] = (
    ApiSettings,
    GateSettings,
    LedgerSettings,
    DrainSettings,
    ReconcileSettings,
    OperatorSettings,
)
# Settings that are set by other values of the chart or by the release, and so are not allowed in `settings`.
RESERVED_SETTINGS = frozenset(
    {
        "API_HOST",
        "API_PORT",
        "API_URL",
        "API_ADMIN_TOKEN",
        "API_SHUTDOWN_DELAY_SECONDS",
        "API_GRACEFUL_SECONDS",
        "GATE_KEY_PREFIX",
        "LEDGER_SCHEMA_NAME",
        "OPERATOR_NAMESPACE",
        "OPERATOR_IDENTITY",
        "OPERATOR_LEASE",
        "OPERATOR_WORKERS",
        "OPERATOR_MIN_WORKERS",
        "OPERATOR_MAX_WORKERS",
        "OPERATOR_METRICS_PORT",
    }
)
QUANTITY = {"type": ["string", "number"], "pattern": r"^[0-9.]+([eE][0-9]+|m|[kKMGTP]i?)?$"}
AMOUNTS = {"type": "object", "additionalProperties": QUANTITY}
POSITIVE = {"type": "integer", "minimum": 1}

Schema = dict[str, Any]


def closed(**properties: Schema) -> Schema:
    """Return the schema of an object that has only these properties."""
    return {"type": "object", "additionalProperties": False, "properties": properties}


def definitions() -> Schema:
    """Return the schemas to which comments in values.yaml refer with `$ref`."""
    text: Schema = {"type": "string"}
    return {
        "environment": {
            "type": "array",
            "items": closed(name=text | {"minLength": 1}, value=text, valueFrom={"type": "object"})
            | {"required": ["name"]},
        },
        "localReference": closed(name=text) | {"required": ["name"]},
        "secretKey": closed(name=text, key=text | {"minLength": 1}),
        "resources": closed(requests=AMOUNTS, limits=AMOUNTS, claims={"type": "array"}),
        "ingressHost": closed(host=text | {"minLength": 1}, paths={"type": "array"}) | {"required": ["host"]},
        "probe": closed(
            initialDelaySeconds={"type": "integer", "minimum": 0},
            periodSeconds=POSITIVE,
            timeoutSeconds=POSITIVE,
            failureThreshold=POSITIVE,
            successThreshold=POSITIVE,
        ),
        "settings": closed(LOG_LEVEL={"enum": ["DEBUG", "INFO", "WARNING", "ERROR"]}, **settings()),
    }


def settings() -> Schema:
    """Return type, limits and default of each setting by the name of its variable, as the processes check them."""
    schemas: Schema = {}
    for group in SETTINGS:
        prefix = str(group.model_config.get("env_prefix", ""))
        for name, field in group.model_json_schema()["properties"].items():
            variable = (prefix + name).upper()
            if variable not in RESERVED_SETTINGS:
                schemas[variable] = {key: value for key, value in field.items() if key != "title"}
    return schemas


class Values:
    """The values of values.yaml with the comments above them. `rows` has (path, default, description) of each value."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        self._common = frozenset(yaml.safe_load(text)["pods"])  # keys that each component repeats get no row
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        assert isinstance(root, yaml.MappingNode)  # noqa: S101  narrows the type for the checker
        self._root = root
        self.rows: list[tuple[str, str, str]] = []

    def schema(self) -> Schema:
        """Return the JSON Schema of the values, and fill `rows`."""
        return {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "title": "Values of the chart atomictickets",
            **self._object(self._root, ""),
            "definitions": definitions(),
        }

    def _object(self, node: yaml.MappingNode, path: str) -> Schema:
        properties = {}
        for key, value in node.value:
            properties[key.value] = self._value(key, value, f"{path}.{key.value}".lstrip("."))
        return {"type": "object", "additionalProperties": False, "properties": properties}

    def _value(self, key: yaml.Node, value: yaml.Node, path: str) -> Schema:
        description, hints = self._comment(key.start_mark.line)
        default = yaml.safe_load(yaml.serialize(value))
        nested = isinstance(value, yaml.MappingNode) and bool(value.value) and not {"open", "$ref"} & hints.keys()
        if nested:
            assert isinstance(value, yaml.MappingNode)  # noqa: S101  narrows the type for the checker
            schema = self._object(value, path)
        else:
            component, _, name = path.partition(".")
            if component == "pods" or name not in self._common:
                self.rows.append((path, json.dumps(default), description))
            schema = inferred(default)
        if "$ref" in hints:
            return hints
        schema |= {name: rule for name, rule in hints.items() if name != "open"}
        return schema | ({"description": description} if description else {})

    def _comment(self, line: int) -> tuple[str, Schema]:
        """Return the description and the `@schema` from the comment directly above this line."""
        above: list[str] = []
        while line and self._lines[line - 1].lstrip().startswith("#"):
            line -= 1
            above.insert(0, self._lines[line].strip().removeprefix("#").strip())
        hints: Schema = {}
        words: list[str] = []
        for text in above:
            if text.startswith("@schema "):
                hints |= json.loads(text.removeprefix("@schema "))
            else:
                words = [text.removeprefix("-- ")] if text.startswith("-- ") else [*words, text]
        return " ".join(words), hints


def inferred(default: Any) -> Schema:
    """Return the type that the default shows."""
    for kind, name in ((bool, "boolean"), (int, "integer"), (str, "string"), (list, "array"), (dict, "object")):
        if isinstance(default, kind):
            return {"type": name}
    return {}


def table(rows: list[tuple[str, str, str]]) -> str:
    """Return a Markdown table of (path, default, description)."""
    cells = [f"| `{path}` | `{default}` | {description} |" for path, default, description in rows]
    return "\n".join(["| value | default | description |", "|---|---|---|", *cells])


def settings_table() -> str:
    """Return a Markdown table of the settings with their defaults and limits."""
    rows = []
    for name, schema in settings().items():
        limits = ", ".join(f"{key} {value}" for key, value in schema.items() if key not in ("default", "type"))
        rows.append((name, json.dumps(schema.get("default")), limits))
    return table(rows).replace("| value | default | description |", "| variable | default | limits |")


def replace_section(text: str, name: str, content: str) -> str:
    """Return `text` with the part between the marks of `name` replaced by `content`."""
    begin, end = f"<!-- {name} -->\n", f"\n<!-- /{name} -->"
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}{content}{end}{after}"


def with_version(chart: str) -> str:
    """Return Chart.yaml with the project's version, whose only source is pyproject.toml."""
    project = tomllib.loads((CHART.parents[1] / "pyproject.toml").read_text())["project"]
    return re.sub(r"^(version|appVersion): .*$", rf"\1: {project['version']}", chart, flags=re.MULTILINE)


def documents() -> dict[Path, str]:
    """Return the text of each generated file."""
    values = Values((CHART / "values.yaml").read_text())
    schema = json.dumps(values.schema(), indent=2) + "\n"
    readme = replace_section((CHART / "README.md").read_text(), "values", table(values.rows))
    return {
        CHART / "values.schema.json": schema,
        CHART / "README.md": replace_section(readme, "settings", settings_table()),
        CHART / "files" / "crd.yaml": (CHART.parents[1] / "k8s" / "crd.yaml").read_text(),
        CHART / "Chart.yaml": with_version((CHART / "Chart.yaml").read_text()),
    }


def main() -> int:
    """Write the files that are stale, or only report them with --check. Return the exit code."""
    stale = {path: text for path, text in documents().items() if not path.exists() or path.read_text() != text}
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.name} is stale. Run `make chart`.")
        return 1 if stale else 0
    for path, text in stale.items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
