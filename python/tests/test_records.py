from __future__ import annotations

from pathlib import Path

import pytest

import mental_pong as mp

SCHEDULE = {"ids": [29337, 55062], "practice": 1, "blocks": 1, "visible_share": 0.0}


def test_play_gives_the_records_that_it_writes(tmp_path: Path) -> None:
    played = mp.play("kinematic", SCHEDULE)
    kept = mp.play("kinematic", SCHEDULE, out=tmp_path)
    read = mp.records.read(tmp_path)
    assert len(played.trials) == 3 and len(played.frames) > 300
    assert played.trials.equals(kept.trials)
    assert list(read.trials["outcome"]) == list(played.trials["outcome"])
    assert read.frames["ball_x_deg"].equals(played.frames["ball_x_deg"])
    assert read.summary["torn"] == [] and played.summary["n"] == 2


def test_planned_heights_are_played() -> None:
    occluded = mp.play({29337: 3.0, 55062: -5.0}, {**SCHEDULE, "practice": 0}, name="mine").trials
    assert set(occluded["observer"]) == {"mine"}
    ends = dict(zip(occluded["condition_id"], occluded["paddle_y_deg"], strict=True))
    assert ends["29337"] == pytest.approx(3.0, abs=0.5) and ends["55062"] == pytest.approx(-5.0, abs=0.5)


def test_bad_play_is_refused(tmp_path: Path) -> None:
    with pytest.raises(mp.Error, match="kinematic"):
        mp.play("kinematik")
    with pytest.raises(mp.Error, match="schedule"):
        mp.play("kinematic", {"idz": [1]})
    with pytest.raises(mp.Error, match="hz"):
        mp.play("kinematic", SCHEDULE, hz=1.0)
    with pytest.raises(mp.Error, match="records of play"):
        mp.records.read(tmp_path)
