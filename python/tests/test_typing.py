from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1]


@pytest.mark.parametrize(
    "words",
    [
        ["mypy", "--config-file", str(FOLDER / "pyproject.toml"), "-p", "mental_pong"],
        ["mypy.stubtest", "mental_pong._native", "--ignore-missing-stub"],
    ],
)
def test_types_are_strict_and_stubs_are_those_of_the_module(words: list[str], tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    environment = {**os.environ, "MYPY_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
