"""Schemathesis derives good and bad requests from the OpenAPI document, and checks the answers against it."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from httpx2 import AsyncClient

from tests.api.conftest import Served

EXAMPLES, EXAMPLES_THOROUGH = 4, 15  # for each operation
# A well-formed request may get 400, 409 or 429 because of the state of a sale, and 422 for a sale that closes before it
# opens. DELETE ends a sale or cancels a blast, and GET still returns it afterwards.
CONFIG = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "400", "401", "404", "409", "422", "429"]
[checks.use_after_free]
enabled = false
"""


# This test takes 10 s, because Schemathesis tries each operation with good and bad requests.
async def test_the_answers_are_as_documented(
    serve: Callable[..., Served], sale_terms: dict[str, Any], tmp_path: Path, thorough: bool
) -> None:
    served = serve(API_ADMIN_TOKEN="sesame")  # noqa: S106  a token for this process alone
    await served.ready()
    async with AsyncClient(base_url=served.url, headers={"Authorization": "Bearer sesame"}) as client:
        assert (await client.post("/sales", json=sale_terms)).status_code == 201
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG)
    command = ["schemathesis", "--config-file", str(config), "run", f"{served.url}/openapi.json"]
    options = [
        "--max-examples",
        str(EXAMPLES_THOROUGH if thorough else EXAMPLES),
        "--header",
        "Authorization: Bearer sesame",
        "--no-color",
        "--seed",
        "1",
    ]
    result = await asyncio.to_thread(
        subprocess.run,
        [str(Path(sys.executable).with_name(command[0])), *command[1:], *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=270,
    )
    assert result.returncode == 0, result.stdout[-8000:] + result.stderr[-2000:]
    assert "Traceback" not in served.log.read_text()
