"""What a session of play leaves, and play without a window."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from . import _native
from ._error import refused

Progress = Callable[[str, int, int], object]


class Records(NamedTuple):
    """Records of play.

    Attributes
    ----------
    trials : pandas.DataFrame
        A row a trial: condition, outcome, paddle and ball at the end (degrees), times (milliseconds), who played.
    frames : pandas.DataFrame
        A row a frame.
    summary : dict
        Counts and mean absolute errors.
    """

    trials: Any
    frames: Any
    summary: dict[str, Any]


def _frame(rows: list[dict[str, Any]]) -> Any:
    import pandas

    return pandas.DataFrame(
        [{name: None if v == "n/a" else v for name, v in row.items()} for row in rows]
    )


def read(folder: str | os.PathLike[str]) -> Records:
    """Read all records below a folder, those of runs that were killed among them.

    Parameters
    ----------
    folder : path
        What ``mpong play --out`` wrote, or a ``*_beh.tsv``.

    Returns
    -------
    Records
        All sessions below one another; ``summary["torn"]`` names files whose last line was torn.

    Raises
    ------
    Error
        With row and field of what cannot be read, or where there are no records.
    """
    place = Path(folder)
    files = [place] if place.is_file() else sorted(place.rglob("*_beh.tsv"))
    if not files:
        raise refused("records of play", "*_beh.tsv", "none", file=str(place))
    trials: list[dict[str, Any]] = []
    frames: list[dict[str, Any]] = []
    torn: list[str] = []
    for file in files:
        rows, rest = _native.read_trials(file)
        trials.extend(rows)
        if rest is not None:
            torn.append(str(file))
        stem = file.name.removesuffix("_beh.tsv")
        for name in (f"{stem}_frames.tsv", f"{stem}_frames.parquet"):
            if (file.parent / name).exists():
                rows, rest = _native.read_frames(file.parent / name)
                frames.extend({"session_file": stem, **row} for row in rows)
                if rest is not None:
                    torn.append(str(file.parent / name))
                break
    return Records(_frame(trials), _frame(frames), {"files": [str(f) for f in files], "torn": torn})


def play(
    agent: str | os.PathLike[str] | Mapping[int, float],
    schedule: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
    out: str | os.PathLike[str] | None = None,
    subject: str = "01",
    session: str = "01",
    hz: float = 60.0,
    progress: Progress | None = None,
) -> Records:
    """Play a session without a window, on a clock that counts frames.

    Parameters
    ----------
    agent : str, path or mapping
        An observer (``"last-seen"``, ``"kinematic"``, …), the path of a script, or the height (degrees) at which the
        paddle is put in each condition.
    schedule : path or mapping, optional
        Which trials; the recorded 79 without it. The fields are those of the schedule's file.
    name : str, optional
        Name of the agent in the records, where it is a mapping.
    out : path, optional
        Folder in which the records are kept; a session that was stopped goes on.
    subject, session : str
        Letters and digits.
    hz : float
        Frames per second.
    progress : callable, optional
        Called with stage, trials done and trials in all.

    Returns
    -------
    Records
        The same call gives the same records.

    Raises
    ------
    Error
        For an agent or a schedule that cannot be.
    """
    given = dict(agent) if isinstance(agent, Mapping) else agent
    plan = dict(schedule) if isinstance(schedule, Mapping) else schedule
    trials, frames, summary = _native.play(
        given,
        plan,
        name=name,
        out=out,
        subject=subject,
        session=session,
        hz=hz,
        progress=progress,
    )
    return Records(_frame(trials), _frame(frames), summary)
