from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import mental_pong as mp

CODE = "import sys; from mental_pong._command import main; sys.exit(main())"


def test_the_command_is_the_program() -> None:
    said = subprocess.run([sys.executable, "-c", CODE, "--version"], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["mpong", mp.__version__]
    wrong = subprocess.run([sys.executable, "-c", CODE, "conditions", "--conditions", "nobody"], capture_output=True, text=True)
    assert wrong.returncode == 2 and "nobody" in wrong.stderr
    wrong = subprocess.run([sys.executable, "-c", CODE, "--nothing"], capture_output=True, text=True)
    assert wrong.returncode == 2


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
def test_an_interrupted_command_ends_with_75_and_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "set"
    words = ["stimuli", "--conditions", "fresh400", "--preset", "rnn100", "--out", str(out), "--quiet"]
    running = subprocess.Popen([sys.executable, "-c", CODE, *words], stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not list(out.rglob("*.npy")) and time.monotonic() < until:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 75, said
    assert "Traceback" not in said
