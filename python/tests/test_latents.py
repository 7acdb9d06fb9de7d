from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import knowing

import mental_pong as mp


def test_a_c_ordered_float32_array_is_not_copied(part: mp.ConditionSet) -> None:
    array, ids, times = knowing(part)
    latents = mp.Latents(array, ids, times, conditions=part)
    assert latents.array is array
    strided = np.repeat(array, 2, axis=2)[:, :, ::2]
    assert mp.Latents(strided, ids, times, conditions=part).array is strided


@pytest.mark.parametrize("dtype", ["float64", "float16", ">f4", ">f8"])
def test_other_numbers_are_taken_too(part: mp.ConditionSet, dtype: str) -> None:
    array, ids, times = knowing(part)
    latents = mp.Latents(array.astype(dtype), ids, times, conditions=part)
    assert latents.array.dtype == np.float32
    close = 1e-2 if dtype == "float16" else 1e-6
    assert np.allclose(latents.array, array, atol=close, equal_nan=True)


def test_a_tensor_of_bfloat16_is_taken(part: mp.ConditionSet) -> None:
    torch = pytest.importorskip("torch")
    array, ids, times = knowing(part)
    tensor = torch.from_numpy(np.nan_to_num(array)).to(torch.bfloat16).requires_grad_()
    n_steps = np.isfinite(times).sum(axis=1).tolist()
    latents = mp.Latents(tensor, ids, times, conditions=part, n_steps=n_steps)
    assert np.allclose(latents.array, np.nan_to_num(array), atol=0.2)


def test_the_repr_says_clock_range_and_dead_units(part: mp.ConditionSet) -> None:
    array, ids, times = knowing(part)
    array[:, :, 2] = np.where(np.isfinite(array[:, :, 2]), 3.0, np.nan)
    latents = mp.Latents(array, ids, times, conditions=part)
    assert latents.dead_units == 1
    assert "1 of 6 units dead" in repr(latents)
    assert "clock 0.0 to" in repr(latents) and "primate79" in repr(latents)
    assert latents.check()["layers"][0]["best_lag_ms"] == 0.0


def test_what_is_wrong_is_said_at_once(part: mp.ConditionSet) -> None:
    array, ids, times = knowing(part)
    broken = array.copy()
    broken[3, 7, 1] = np.inf
    with pytest.raises(mp.Error, match=rf"condition {ids[3]}, step 7, unit 1"):
        mp.Latents(broken, ids, times, conditions=part)
    with pytest.raises(mp.Error, match="seconds"):
        mp.Latents(array, ids, times / 1000, conditions=part)
    with pytest.raises(mp.Error, match="twice"):
        mp.Latents(array, [ids[0]] * 12, times)
    with pytest.raises(mp.Error, match=r"\[condition, step, unit\]"):
        mp.Latents(array[0], ids, times)
    with pytest.raises(mp.Error) as caught:
        mp.Latents(array, ["nobody", *ids[1:]], times, conditions="primate79")
    assert caught.value.found == "nobody"
    # Without a set nobody knows whose trials they are, and no file is written.
    with pytest.raises(mp.Error, match="conditions"):
        mp.Latents(array, ids, times).write("nowhere.npz")


def test_a_file_gives_back_what_was_written(latents: mp.Latents, tmp_path: Path) -> None:
    for name in ("a.npz", "a.safetensors", "a.nc", "a.zarr"):
        latents.write(tmp_path / name)
        again = mp.Latents.open(tmp_path / name) if name != "a.zarr" else None
        if again is not None:
            assert np.array_equal(again.array, latents.array, equal_nan=True)
            assert (again.ids, again.set_sha256) == (latents.ids, latents.set_sha256)
    first = (tmp_path / "a.npz").read_bytes()
    latents.write(tmp_path / "a.npz")
    assert (tmp_path / "a.npz").read_bytes() == first
    assert not list(tmp_path.glob("*.progress"))


def test_any_callable_encodes(part: mp.ConditionSet) -> None:
    stimuli = mp.Stimuli(mp.ConditionSet(part, ids=part.ids[:3]), preset="rnn100")
    sizes = []

    def model(frames: np.ndarray) -> np.ndarray:
        sizes.append(len(frames))
        return frames[:, ::25, ::25].astype(np.float32)

    latents = mp.encode(model, stimuli, batch=32)
    assert latents.array.shape == (3, stimuli.n_frames.max(), 16) and max(sizes) == 32
    assert np.array_equal(latents.array[1, 5], stimuli[1].frames[5, ::25, ::25].ravel())
    assert latents.set_sha256 == stimuli.set.sha256
    with pytest.raises(mp.Error, match="frame 0"):
        mp.encode(lambda frames: frames[:1], stimuli)


def test_forecasts_see_nothing_of_the_hidden_ball(latents: mp.Latents) -> None:
    held = mp.forecast(latents, "identity")
    seen = int(latents.n_visible[0])
    assert 0 < seen < latents.n_steps[0]
    assert np.array_equal(held.array[0, :seen], latents.array[0, :seen])
    assert (held.array[0, seen : latents.n_steps[0]] == latents.array[0, seen - 1]).all()
    own = mp.forecast(latents, lambda context, n: np.repeat(context[-1:], n, axis=0))
    assert np.array_equal(own.array, held.array, equal_nan=True)
    changed = latents.array.copy()
    for place, first in enumerate(latents.n_visible):
        changed[place, first:] += 100
    other = mp.Latents(changed, latents.ids, latents.time_ms, conditions=latents.set)
    inertia = mp.forecast(latents, "inertia")
    assert np.array_equal(mp.forecast(other, "inertia").array, inertia.array, equal_nan=True)
    assert not np.array_equal(inertia.array, held.array, equal_nan=True)


def test_a_predictor_gives_latents(part: mp.ConditionSet) -> None:
    assert "ctrnn" in mp.predictor_names()
    conditions = mp.ConditionSet(part, ids=part.ids[:2])
    pixels = mp.Predictor("pixels")
    latents = pixels.latents(mp.Stimuli(conditions))
    assert latents.array.shape[::2] == (2, pixels.units) and latents.layer == "encoder"
    assert pixels.null("no-dynamics").has_dynamics and not pixels.has_dynamics
    with pytest.raises(mp.Error, match="pixels"):
        mp.Predictor("pixles")


def test_many_calls_from_many_threads_do_not_grow(part: mp.ConditionSet) -> None:
    resource = pytest.importorskip("resource")
    array, ids, times = knowing(part)

    def many() -> None:
        for _ in range(2500):
            mp.Latents(array, ids, times, conditions=part).n_steps

    def all_of_it() -> None:
        threads = [threading.Thread(target=many) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    all_of_it()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    all_of_it()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


LONG = {
    "latents": "mp.Predictor('ctrnn').latents('valid', progress=on)",
    "encode": "mp.encode(lambda frames: on() or frames[:, 0, 0].astype('f4'), mp.Stimuli('valid'))",
    "evaluate": "mp.evaluate(['ctrnn', 'lstm'], progress=on)",
    "write": "mp.Stimuli('all').write('set', progress=on)",
    "simulate": "on(); mp.simulate('simulated.npz', 'train', units=2000, trials=500)",
    "play": "mp.play('kinematic', {'ids': ids, 'blocks': 200}, progress=on)",
}


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
@pytest.mark.parametrize("call", LONG)
def test_ctrl_c_ends_a_long_call_within_a_second(call: str, tmp_path: Path) -> None:
    code = (
        "import mental_pong as mp\n"
        "ids = [int(i) for i in mp.ConditionSet('primate79').ids]\n"
        "on = lambda *news: print('on', flush=True)\n" + LONG[call]
    )
    running = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    assert running.stdout is not None
    for line in running.stdout:
        if line == "on\n":
            break
    time.sleep(0.3)
    begun = time.monotonic()
    running.send_signal(signal.SIGINT)
    # Drain, so that the pipe does not hold it.
    _, said = running.communicate(timeout=20)
    took = time.monotonic() - begun
    assert "KeyboardInterrupt" in said
    assert took < 1.5, took
