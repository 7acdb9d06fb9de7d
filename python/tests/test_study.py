from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mental_pong as mp

SETTINGS = {"splits": 4, "resamples": 100}


def mpong(*arguments: str) -> None:
    code = "import sys; from mental_pong._command import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    # 1 is a validity check that said no: the card is there.
    assert done.returncode in (0, 1), done.stderr


@pytest.fixture(scope="module")
def result(latents: mp.Latents) -> mp.Result:
    return mp.evaluate({"mine": latents}, analyses=["decode"], **SETTINGS)


def test_python_and_the_command_line_give_the_same_card(
    result: mp.Result, latents: mp.Latents, tmp_path: Path
) -> None:
    latents.write(tmp_path / "mine.npz")
    mpong(
        "eval", "--quiet", "--latents", f"mine={tmp_path / 'mine.npz'}", "--conditions", "primate79",
        "--ids", ",".join(latents.ids), "--analyses", "decode", "--out", str(tmp_path / "out"),
        *(word for name, value in SETTINGS.items() for word in ("--set", f"{name}={value}")),
    )  # fmt: skip
    assert (tmp_path / "out" / "card.json").read_text() == result.card_json
    page = result.report(tmp_path / "ours")
    assert page.read_bytes() == (tmp_path / "out" / "report.html").read_bytes()
    again = mp.evaluate(
        {"mine": tmp_path / "mine.npz"}, conditions="primate79", ids=latents.ids, analyses=["decode"], **SETTINGS
    )
    assert again.card_json == result.card_json


def test_scores_have_the_names_of_the_card(result: mp.Result) -> None:
    scores = result.scores
    wanted = [
        "row", "kind", "analysis", "metric", "epoch", "target", "value", "low", "high", "interval", "unit",
        "n_conditions", "n_bins", "ceiling",
    ]  # fmt: skip
    assert [name for name in scores.columns if name in wanted] == wanted
    written = [score for section in result.card["sections"] for score in section["scores"]]
    assert set(written[0]) <= set(scores.columns)
    assert len(scores) == len(written)
    mine = scores[(scores["row"] == "mine") & (scores["metric"] == "r") & (scores["epoch"] == "visible")]
    # The latents hold the ball's place with a little noise.
    assert (mine["value"] > 0.9).all() and len(mine) >= 2
    data = result.to_xarray()
    assert np.array_equal(data["value"].values, scores["value"].to_numpy(), equal_nan=True)


def test_a_result_shows_itself(result: mp.Result) -> None:
    assert "<table" in result._repr_html_() and "scores" in repr(result)
    pytest.importorskip("matplotlib").use("Agg")
    axes = result.plot.over_time("r_y")
    assert "mine" in [text.get_text() for text in axes.get_legend().get_texts()]
    with pytest.raises(mp.Error, match="quantity"):
        result.plot.over_time("r_z")
    with pytest.raises(mp.Error, match="over_time"):
        result.table("nothing")


def test_bad_requests_are_refused_before_work(latents: mp.Latents) -> None:
    with pytest.raises(mp.Error, match="decode") as caught:
        mp.evaluate({"mine": latents}, analyses=["decoed"])
    assert caught.value.field == "analyses"
    with pytest.raises(mp.Error, match="nowhere.npz"):
        mp.evaluate({"mine": "nowhere.npz"})
    with pytest.raises(mp.Error, match="splts"):
        mp.evaluate({"mine": latents}, splts=3)
    with pytest.raises(mp.Error, match="DataFrame"):
        mp.evaluate({"mine": latents}, behavior=3)


def test_a_recording_of_arrays_is_one(part: mp.ConditionSet, tmp_path: Path) -> None:
    simulated = mp.simulate(tmp_path / "simulated.npz", part, units=20, trials=6, seed=2)
    assert simulated.synthetic and simulated.ids == part.ids
    responses = simulated.responses()
    halves = tuple(simulated.responses(half=half) for half in ("sh1", "sh2"))
    own = mp.Recording(responses, part.ids, conditions=part, halves=halves, synthetic=True)
    assert np.allclose(own.responses(), responses, equal_nan=True)
    assert own.set_sha256 == simulated.set_sha256 == part.sha256
    assert (own.bin_ms, own.first_bin_ms) == (50.0, -300.0)
    own.write(tmp_path / "own.nc")
    again = mp.Recording.open(tmp_path / "own.nc", conditions=part)
    assert np.allclose(again.responses(), responses, equal_nan=True)
    with pytest.raises(mp.Error, match="response"):
        mp.Recording(responses[0], part.ids, conditions=part)
    with pytest.raises(mp.Error, match="simulated"):
        mp.simulate(tmp_path / "real.npz", part)


def test_a_recording_opens_in_xarray_and_as_nwb(part: mp.ConditionSet, tmp_path: Path) -> None:
    recording = mp.simulate(tmp_path / "simulated.npz", part, units=20, trials=6)
    recording.to_nwb(tmp_path / "mine.nwb")
    again = mp.Recording.open(tmp_path / "mine.nwb", conditions=part)
    assert np.allclose(again.responses(), recording.responses(), equal_nan=True)
    with pytest.raises(mp.Error, match="nwb"):
        recording.to_nwb(tmp_path / "mine.npz")
    pytest.importorskip("xarray")
    data = recording.to_xarray()
    assert data["responses"].dims == ("unit", "condition", "bin")
    assert data["time_ms"].values[6] == 25.0


@pytest.fixture(scope="module")
def own() -> mp.ConditionSet:
    """Twelve conditions that were never published: faster balls."""
    table = mp.ConditionSet("primate79").table.head(12)
    table = table[["id", "x0_deg", "y0_deg", "heading_deg", "speed_deg_per_s"]].copy()
    table["id"] = [f"c{k}" for k in range(12)]
    table["speed_deg_per_s"] *= 1.03
    return mp.ConditionSet(table, name="mine")


def test_rsatoolbox_finds_the_same_correlation_of_distances(own: mp.ConditionSet, tmp_path: Path) -> None:
    rsatoolbox = pytest.importorskip("rsatoolbox")
    recording = mp.simulate(tmp_path / "simulated.npz", own, units=14, trials=10)
    mask = recording.mask("start_end_pad0")
    lengths = mask.sum(axis=1)
    array = np.full((12, lengths.max(), 5), np.nan, dtype=np.float32)
    rng = np.random.default_rng(0)
    for place, n in enumerate(lengths):
        array[place, :n] = rng.normal(size=(n, 5)).cumsum(axis=0)
    # A step in the middle of each bin from motion onset.
    times = 25.0 + 50.0 * np.arange(lengths.max())
    model = mp.Latents(array, own.ids, times, conditions=own, n_steps=lengths.tolist())
    result = mp.evaluate({"model": model}, recording=recording, analyses=["rsa"], **SETTINGS)
    table = result.table("rsa").query("row == 'model'").set_index("part")
    for part, epoch in (("start_end", "start_end_pad0"), ("occ_end", "occ_end_pad0")):
        brain = recording.to_rsatoolbox(epoch, population="reliable", states=True)
        condition, bins = np.nonzero(recording.mask(epoch))
        assert brain.obs_descriptors["bin"] == bins.tolist()
        states = rsatoolbox.data.Dataset(array[condition, bins - 6].astype(np.float64))
        distances = [
            rsatoolbox.rdm.sqrt_transform(rsatoolbox.rdm.calc_rdm(of, method="euclidean")) for of in (brain, states)
        ]
        theirs = rsatoolbox.rdm.compare(*distances, method="corr").item()
        assert table.loc[part, "n_states"] == len(bins)
        assert table.loc[part, "r_xy"] == pytest.approx(theirs, abs=1e-9)
    means = recording.to_rsatoolbox()
    assert means.measurements.shape == (12, 14) and means.obs_descriptors["condition"] == own.ids


def test_how_a_recording_was_opened_goes_with_it(own: mp.ConditionSet, tmp_path: Path) -> None:
    path = tmp_path / "simulated.npz"
    mp.simulate(path, own, units=14, trials=10)
    imputed = mp.Recording.open(path, conditions=own, missing="impute")
    result = mp.evaluate(recording=imputed, no_models=True, analyses=["reliability"], **SETTINGS)
    assert result.card["asked"]["reading"]["missing"] == "impute"
    # The set at hand stands in the card as the file that it would be written to, and the same call gives the same card.
    assert result.card["asked"]["conditions"] == "mine.csv"
    again = mp.evaluate(recording=imputed, no_models=True, analyses=["reliability"], **SETTINGS)
    assert again.card_json == result.card_json
    as_it_is = mp.evaluate(
        recording=mp.Recording.open(path, conditions=own), no_models=True, analyses=["reliability"], **SETTINGS
    )
    assert as_it_is.card_json != result.card_json
    with pytest.raises(mp.Error, match="opened as the recording was"):
        other = mp.Recording.open(path, conditions=own)
        mp.evaluate(recording=imputed, other_recording=other, no_models=True, **SETTINGS)


def test_latents_of_another_law_are_evaluated_by_it(part: mp.ConditionSet) -> None:
    stimuli = mp.Stimuli(part, preset="rnn100")
    assert stimuli.set.law == "design"
    encoded = mp.encode(lambda frames: frames.reshape(len(frames), -1)[:, ::500], stimuli)
    result = mp.evaluate({"mine": encoded}, analyses=["decode"], **SETTINGS)
    assert result.card["sets"][0]["sha256"] == stimuli.set.sha256 != part.sha256


def test_behaviour_of_a_table_is_evaluated(latents: mp.Latents, part: mp.ConditionSet) -> None:
    table = part.table
    rng = np.random.default_rng(0)
    trials = pd.concat(
        pd.DataFrame(
            {
                "condition_id": table["id"],
                "paddle_y_deg": table["end_y_deg"] + rng.normal(scale=1.5, size=len(table)),
                "subject": f"s{k % 4}",
                "trial_type": "occ",
            }
        )
        for k in range(8)
    )
    result = mp.evaluate(
        {"mine": latents},
        behavior={"people": trials},
        columns="condition=condition_id,paddle=paddle_y_deg,subject=subject",
        analyses=["behavior"],
        **SETTINGS,
    )
    assert "people" in set(result.scores["row"]) | {g["name"] for g in result.card["inputs"]}
