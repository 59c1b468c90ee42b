"""The track API against its own description: schemathesis makes the requests up and judges every answer.

Judged are: no 500, no status and no header that the description does not tell, every body JSON of its schema, what fits
the schemas taken, what does not refused, no way round the key.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from peers import serving

API_KEY = "a-made-up-api-key"
CASES = 300
"""What a run makes at least. `SCHEMATHESIS_EXAMPLES=1000` makes thousands."""
SETTINGS = f"""\
api_keys: [{{name: fuzz, key: {API_KEY}, rate: 0}}]
"""
# An Idempotency-Key that is drawn twice comes with another body: 422 is then the right answer to a right request. What
# JSON Schema has no word for is left to the tests of the contract: text without U+0000 and without half characters.
JUDGING = """\
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "409", "422", "429", "5xx"]

[generation]
allow-x00 = false
codec = "utf-8"
"""


@pytest.mark.timeout(600)
def test_no_request_that_schemathesis_thinks_of_gets_an_answer_outside_the_description(tmp_path: Path) -> None:
    (tmp_path / "bridge.yaml").write_text(SETTINGS)
    (tmp_path / "schemathesis.toml").write_text(JUDGING)
    with serving(tmp_path, {}, "--config", "bridge.yaml") as bridge:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml"),
                *("run", f"{bridge.url}/openapi.json", "--header", f"Authorization: Bearer {API_KEY}"),
                *("--checks", "all", "--max-examples", os.environ.get("SCHEMATHESIS_EXAMPLES", "25")),
                *("--continue-on-failure", "--generation-deterministic", "--no-color"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST")},
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        made = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
        assert made, done.stdout
        assert int(made[1]) >= CASES
    assert "http.fault" not in bridge.log.read_text()
