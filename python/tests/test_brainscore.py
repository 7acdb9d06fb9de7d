"""The benchmark against ``brainscore-core`` itself, where it is installed: its pins want an environment of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mental_pong as mp

pytest.importorskip("brainscore_core")
pytestmark = pytest.mark.filterwarnings("ignore")  # of its old xarray

SETTINGS = {"map_splits": 2, "splits": 4, "resamples": 100}


class Candidate:
    """A model in Brain-Score's interface that knows what the recorded units know, or nothing but how long a trial is."""

    identifier = "knowing"

    def __init__(self, recording: mp.Recording, knows: bool, presentations: int = 1) -> None:
        assert recording.ids is not None
        responses = recording.responses()[:, :, 6:]  # from motion onset
        rng = np.random.default_rng(0)
        if not knows:
            responses = np.where(np.isfinite(responses), rng.normal(size=responses.shape), np.nan)
        self.responses = dict(zip(recording.ids, responses.transpose(1, 0, 2), strict=True))
        self.presentations = presentations
        self.asked: Any = None

    def visual_degrees(self) -> int:
        return 20

    def start_recording(self, recording_target: str, time_bins: list[tuple[float, float]]) -> None:
        self.asked = (recording_target, time_bins)

    def look_at(self, stimuli: Any, number_of_trials: int = 1) -> Any:
        from brainscore_core.supported_data_standards.brainio.assemblies import NeuroidAssembly

        target, bins = self.asked
        assert target == "DMFC"
        ids = [id for id in stimuli["stimulus_id"] for _ in range(self.presentations)]
        for _, row in stimuli.iterrows():
            # It opens what it is shown.
            shown = np.load(stimuli.get_stimulus(row["stimulus_id"]), mmap_mode="r")
            assert shown.shape == (row["n_frames"], 224, 224, 3)
        out = np.stack([self.responses[id][:, : len(bins)] for id in ids])
        starts, ends = zip(*bins, strict=True)
        return NeuroidAssembly(
            out,
            coords={
                "stimulus_id": ("presentation", ids),
                "condition_id": ("presentation", ids),
                "neuroid_id": ("neuroid", np.arange(out.shape[1])),
                "layer": ("neuroid", ["top"] * out.shape[1]),
                "time_bin_start": ("time_bin", list(starts)),
                "time_bin_end": ("time_bin", list(ends)),
            },
            dims=["presentation", "neuroid", "time_bin"],
        )


@pytest.fixture(scope="module")
def conditions() -> mp.ConditionSet:
    return mp.ConditionSet("primate79", ids=mp.ConditionSet("primate79").ids[:12])


@pytest.fixture(scope="module")
def recording(conditions: mp.ConditionSet, tmp_path_factory: pytest.TempPathFactory) -> mp.Recording:
    path = tmp_path_factory.mktemp("recording") / "simulated.npz"
    return mp.simulate(path, conditions, units=24, trials=20, reliability=0.8, seed=3)


@pytest.mark.parametrize("analysis", ["predictivity", "rsa"])
def test_a_candidate_is_scored_against_the_ceiling(recording: mp.Recording, analysis: str) -> None:
    from brainscore_core.benchmarks import Benchmark, score_benchmark
    from brainscore_core.metrics import Score

    benchmark = mp.brainscore.MentalPong(recording, analysis=analysis, **SETTINGS)
    assert isinstance(benchmark, Benchmark)
    assert benchmark.identifier == f"Rajalingham2025.DMFC.hidden-{analysis}"
    assert benchmark.parent == "neural" and "doi.org" in benchmark.bibtex
    score = score_benchmark(benchmark, Candidate(recording, knows=True))
    assert isinstance(score, Score) and score.shape == ()
    raw, ceiling = float(score.attrs[Score.RAW_VALUES_KEY]), float(score.attrs["ceiling"])
    assert float(score) == pytest.approx(raw / ceiling, rel=1e-12)
    # The number is the study's own.
    table = score.attrs["result"].scores
    metric = mp.brainscore.METRICS[analysis]
    row = table.query(f"row == 'model' and metric == '{metric}' and epoch == 'hidden'").iloc[0]
    assert (raw, ceiling) == (row["value"], row["ceiling"])
    # The same ceiling stands where no model was asked yet.
    fresh = mp.brainscore.MentalPong(recording, analysis=analysis, **SETTINGS)
    assert float(fresh.ceiling) == pytest.approx(ceiling, rel=1e-12)
    assert float(score) > 0.8
    blind = benchmark(Candidate(recording, knows=False))
    assert float(blind) < float(score) - 0.3


def test_an_assembly_becomes_latents(recording: mp.Recording, conditions: mp.ConditionSet) -> None:
    assembly = recording.to_brainscore(half="sh1")
    assert assembly.dims == ("presentation", "neuroid", "time_bin")
    assembly.validate()
    assert list(assembly["stimulus_id"].values) == conditions.ids
    responses = recording.responses(half="sh1")
    assert np.array_equal(assembly.values, responses.transpose(1, 0, 2), equal_nan=True)
    assert assembly["time_bin_start"].values[6] == 0.0
    latents = mp.brainscore.latents(assembly, conditions)
    n = latents.n_steps
    assert np.allclose(latents.array[2, : n[2]], responses[:, 2, : n[2]].T)
    assert latents.time_ms[0, 6] == 25.0
    with pytest.raises(mp.Error, match="coordinate 'time_bin_end'"):
        mp.brainscore.latents(assembly.reset_index("time_bin").drop_vars("time_bin_end"), conditions)
    with pytest.raises(mp.Error, match="axes"):
        mp.brainscore.latents(assembly.mean("time_bin"), conditions)


def test_presentations_are_averaged(recording: mp.Recording, conditions: mp.ConditionSet, tmp_path: Path) -> None:
    stimuli = mp.brainscore.stimulus_set(mp.Stimuli(conditions), tmp_path)
    assert len(stimuli) == 12 and stimuli.identifier.startswith("mental_pong.primate79")
    candidate = Candidate(recording, knows=True, presentations=2)
    candidate.start_recording("DMFC", mp.brainscore.MentalPong(recording).time_bins)
    seen = candidate.look_at(stimuli)
    latents = mp.brainscore.latents(seen, conditions)
    assert len(latents) == 12 and latents.ids == conditions.ids
    assert np.allclose(latents.array[1, :5], seen.values[2:4, :, :5].mean(axis=0).T, atol=1e-6)


def test_what_cannot_be_is_refused(recording: mp.Recording, conditions: mp.ConditionSet, tmp_path: Path) -> None:
    with pytest.raises(mp.Error, match="predictivity, rsa"):
        mp.brainscore.MentalPong(recording, analysis="decoding")
    with pytest.raises(mp.Error, match="npy, gif or mp4"):
        mp.brainscore.stimulus_set(mp.Stimuli(conditions), tmp_path, format="zarr")
