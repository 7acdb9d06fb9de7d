"""The blocks of the Python chapter run, in order, in one namespace."""

from __future__ import annotations

import re
from pathlib import Path

import pytest


def test_the_blocks_of_the_chapter_run(book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pandas", "xarray", "gymnasium", "matplotlib"):
        pytest.importorskip(name)
    pytest.importorskip("matplotlib").use("Agg")
    monkeypatch.chdir(tmp_path)
    text = (book / "howto" / "python.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert len(blocks) >= 6
    names: dict[str, object] = {}
    for number, block in enumerate(blocks):
        exec(compile(block, f"python.md, block {number + 1}", "exec"), names)
