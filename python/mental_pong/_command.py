"""The command ``mpong``."""

from __future__ import annotations

import signal
import sys

from ._native import command


def main() -> int:
    """Run ``mpong`` with the arguments of this process and give its exit code."""
    # The program hears its signals itself: stopped work can go on, which is exit code 75.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return command(["mpong", *sys.argv[1:]])
