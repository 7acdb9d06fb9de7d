"""What the tests share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import mental_pong as mp


@pytest.fixture(scope="session")
def part() -> mp.ConditionSet:
    """Twelve of the recorded conditions."""
    return mp.ConditionSet("primate79", ids=mp.ConditionSet("primate79").ids[:12])


def knowing(conditions: mp.ConditionSet, units: int = 6) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Latents that hold the ball's place in random directions, with noise; ids, and times in ms."""
    truth = conditions.truth
    rng = np.random.default_rng(1)
    mix = rng.normal(size=(2, units))
    longest = truth.groupby("id").size().max()
    array = np.full((len(conditions), longest, units), np.nan, dtype=np.float32)
    times = np.full((len(conditions), longest), np.nan)
    for place, id in enumerate(conditions.ids):
        of = truth[truth["id"] == id]
        ball = of[["x_deg", "y_deg"]].to_numpy()
        array[place, : len(of)] = ball @ mix + rng.normal(scale=0.5, size=(len(of), units))
        times[place, : len(of)] = of["time_ms"]
    return array, conditions.ids, times


@pytest.fixture(scope="session")
def latents(part: mp.ConditionSet) -> mp.Latents:
    return mp.Latents(*knowing(part), conditions=part)


@pytest.fixture(scope="session")
def book() -> Path:
    return Path(__file__).parents[2] / "docs" / "src"
