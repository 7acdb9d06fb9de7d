from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import mental_pong as mp


def test_published_sets_are_the_task() -> None:
    conditions = mp.ConditionSet("primate79")
    assert (len(conditions), conditions.law, conditions.rate_hz) == (79, "display", 60.0)
    assert "55062" in conditions and "1" not in conditions
    # The published end height of the second recorded condition, as the library's own tests have it.
    path = mp.trajectory(55062)
    assert f"{path['y_deg'].iloc[-2:].mean():.0f}" == "-5"
    table = conditions.table
    assert list(table["id"]) == conditions.ids
    truth = conditions.truth
    first = truth[truth["id"] == "29337"]
    assert first["frame"].tolist() == list(range(len(first)))
    assert np.allclose(first["time_ms"], first["frame"] * 1000 / 60)
    assert set(first["visible"].unique()) >= {0.0, 1.0}


def test_a_table_at_hand_is_the_set_of_its_file(tmp_path: object) -> None:
    table = mp.ConditionSet("primate79").table.head(3)
    table = table[["id", "x0_deg", "y0_deg", "heading_deg", "speed_deg_per_s"]]
    file = f"{tmp_path}/mine.csv"
    table.to_csv(file, index=False)
    of_file, of_table = mp.ConditionSet(file), mp.ConditionSet(table, name="mine")
    assert of_file == of_table
    assert of_file.sha256 == of_table.sha256
    assert of_file != mp.ConditionSet("primate79", ids=of_file.ids)


def test_what_is_wrong_with_a_table_is_an_error_with_its_parts() -> None:
    table = pd.DataFrame({"id": ["a"], "x0_deg": [0], "y0_deg": ["high"], "heading_deg": [0], "speed_deg_per_s": [9]})
    with pytest.raises(mp.Error, match="line 2") as caught:
        mp.ConditionSet(table)
    assert isinstance(caught.value, ValueError)
    assert (caught.value.field, caught.value.found) == ("y0_deg", "`high`") or caught.value.field == "y0_deg"
    with pytest.raises(mp.Error, match="primate79") as caught:
        mp.ConditionSet("primate97")
    assert caught.value.found == "primate97"
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.found) == (str(caught.value), "primate97")
    with pytest.raises(mp.Error, match="law"):
        mp.trajectory(55062, law="newton")


def test_a_set_survives_pickling(part: mp.ConditionSet) -> None:
    again = pickle.loads(pickle.dumps(part))
    assert again == part and hash(again) == hash(part) and again.ids == part.ids
    # What was chosen before goes with a set that is made of it.
    other = mp.ConditionSet(part, law="design")
    again = pickle.loads(pickle.dumps(other))
    assert again == other != part and again.ids == part.ids and again.law == "design"
    own = mp.ConditionSet(b"id,x0_deg,y0_deg,heading_deg,speed_deg_per_s\na,-8,0,10,9\n", name="own")
    assert pickle.loads(pickle.dumps(own)) == own
    stimuli = mp.Stimuli(part, preset="rnn100")
    assert np.array_equal(pickle.loads(pickle.dumps(stimuli))[3].frames, stimuli[3].frames)


def test_splits_are_scikit_learns() -> None:
    model_selection = pytest.importorskip("sklearn.model_selection")
    splitter = model_selection.GroupShuffleSplit(5, train_size=0.5, random_state=3)
    places = np.arange(79)
    found = mp.splits("primate79", 5, seed=3)
    for (train, test), (ours, theirs) in zip(splitter.split(places, groups=places), found, strict=True):
        assert np.array_equal(train, ours) and np.array_equal(test, theirs)


def test_the_import_needs_numpy_alone() -> None:
    # Nothing that is an extra may be loaded before it is asked for.
    code = (
        "import sys, mental_pong; "
        "print([m for m in ('pandas', 'xarray', 'torch', 'gymnasium', 'matplotlib') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
