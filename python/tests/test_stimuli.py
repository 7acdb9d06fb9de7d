from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import mental_pong as mp


def test_frames_are_those_that_are_written(part: mp.ConditionSet, tmp_path: Path) -> None:
    stimuli = mp.Stimuli(mp.ConditionSet(part, ids=part.ids[:2]), preset="model224")
    heard: list[tuple[str, int, int]] = []
    manifest = stimuli.write(tmp_path / "set", progress=lambda *news: heard.append(news))
    assert manifest["n_conditions"] == 2 and heard[-1][1:] == (2, 2)
    for stimulus in (stimuli[0], stimuli[-1]):
        written = list((tmp_path / "set").rglob(f"*{stimulus.id}*.npy"))
        assert len(written) == 1
        assert np.array_equal(np.load(written[0]), stimulus.frames)
    # What was written is a set that is accepted everywhere.
    assert mp.ConditionSet(tmp_path / "set").sha256 == part.sha256


def test_frames_are_uint8_and_drawn_in_parts(part: mp.ConditionSet) -> None:
    stimuli = mp.Stimuli(part)
    stimulus = stimuli["55062"]
    frames = stimulus.frames
    assert frames.dtype == np.uint8 and frames.shape == (len(stimulus), 224, 224, 3)
    assert frames.flags.c_contiguous and frames.flags.writeable
    assert np.array_equal(stimulus.draw(10, 12), frames[10:12])
    assert len(stimulus) == stimuli.n_frames[stimuli.ids.index("55062")]
    assert stimulus.hidden.any() and not stimulus.hidden[0]
    with pytest.raises(mp.Error, match="frames"):
        stimulus.draw(5, 10_000)
    with pytest.raises(IndexError):
        stimuli[12]
    with pytest.raises(mp.Error, match="no condition"):
        stimuli["1"]


def test_the_published_conditions_of_rnn100_follow_the_design_law(part: mp.ConditionSet) -> None:
    assert mp.Stimuli(part, preset="rnn100").set.law == "design"
    assert mp.Stimuli(part, preset="rnn100").rate_hz == 24.0
    assert mp.Stimuli(part).set.law == "display"
    assert mp.Stimuli(part, preset="rnn100", law="display").set.law == "display"


def test_xarray_has_the_axes_and_the_set(part: mp.ConditionSet) -> None:
    pytest.importorskip("xarray")
    stimuli = mp.Stimuli(mp.ConditionSet(part, ids=part.ids[:3]), preset="rnn100")
    data = stimuli.to_xarray()
    assert data["frames"].dims == ("condition", "frame", "y", "x")
    assert data.attrs["set_sha256"] == stimuli.set.sha256
    n = int(data["n_frames"][1])
    assert np.array_equal(data["frames"].values[1, :n], stimuli[1].frames)
    assert np.isnan(data["x_deg"].values[1, n:]).all()


def test_a_data_set_of_torch_is_shared_between_workers(part: mp.ConditionSet) -> None:
    torch = pytest.importorskip("torch")
    stimuli = mp.Stimuli(mp.ConditionSet(part, ids=part.ids[:3]), preset="rnn100")
    data = mp.torch.StimulusDataset(stimuli, clip=16)
    assert data[1]["frames"].shape == (16, 100, 100) and data[1]["frames"].dtype == torch.uint8
    alone = [item["frames"] for item in mp.torch.StimulusIterable(stimuli, clip=16, seed=2)]
    assert len(alone) == len(data)
    for method in ("fork", "spawn"):
        loader = torch.utils.data.DataLoader(
            mp.torch.StimulusIterable(stimuli, clip=16, seed=2),
            batch_size=None,
            num_workers=2,
            multiprocessing_context=method,
        )
        many = [item["frames"] for item in loader]
        assert len(many) == len(alone)
        sums = sorted(int(f.long().sum()) for f in alone)
        assert sorted(int(f.long().sum()) for f in many) == sums
