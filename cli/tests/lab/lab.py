"""Makes the files of the worked laboratory, and its golden numbers with scikit-learn, from nothing of this program.

    python lab.py FOLDER

30 conditions of its own (walls at 7 degrees, an occluder from x = 1.5, the interception plane at x = 9, text ids), seen by
six SYNTHETIC units in four trials each: the same spikes as single trials in npz and MAT (bins of 20 ms) and as spike times
in NWB. Needs numpy, scipy, h5py and scikit-learn.
"""
import json
import sys
from pathlib import Path

import h5py
import numpy as np
from scipy.io import savemat
from scipy.stats import pearsonr
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GroupShuffleSplit, train_test_split

WALL, RADIUS, OCCLUDER, PLANE = 7.0, 0.2, 1.5, 9.0
BIN, FIRST, BINS, UNITS, TRIALS, SPLITS = 20.0, -100.0, 130, 6, 4, 10
rng = np.random.default_rng(7)


def conditions():
    rows = []
    for k in range(30):
        heading = (-1) ** k * rng.uniform(8, 48)
        x, y, speed = rng.uniform(-9, -6), rng.uniform(-5, 5), rng.uniform(10, 16)
        name = f"ball_{'left' if k < 15 else 'right'}_{k:02d}"
        rows.append((name, round(x, 2), round(y, 2), round(heading, 1), round(speed, 2)))
    return rows


def flight(x, y, heading, speed):
    """[frame, (x, y)] at 60 Hz: beyond a wall the place is kept and the heading becomes minus its whole degrees."""
    path, inside = [(x, y)], 80
    while inside:
        x += speed / 60 * np.cos(np.radians(heading))
        y += speed / 60 * np.sin(np.radians(heading))
        path.append((x, y))
        if abs(y) >= WALL - RADIUS and y * heading > 0:
            heading = -float(int(heading))
        inside -= x >= PLANE
    return np.array(path)


def bins_of(path):
    """Bins in which the ball moves, their truth [bin, (x, y)], and which of them are hidden (1 ms is enough)."""
    ms = np.arange(len(path)) * 1000 / 60
    n = int(np.argmax(path[:, 0] >= PLANE))
    when = lambda x: np.interp(x, path[: n + 1, 0], ms[: n + 1])
    end, vanishes = when(PLANE), when(OCCLUDER)
    start = FIRST + BIN * np.arange(BINS)
    shared = lambda a, b: np.minimum(start + BIN, b) - np.maximum(start, a)
    moving = np.flatnonzero(shared(0, end) >= 1 - 1e-6)
    hidden = shared(vanishes, end)[moving] >= 1 - 1e-6
    frames = [(ms > start[b] + 1e-6) & (ms <= start[b] + BIN + 1e-6) for b in moving]
    return moving, np.array([path[f].mean(0) for f in frames]), hidden


def record(paths):
    """[condition][trial][unit] spike times, ms from motion onset: odd multiples of 1/2048 s, which no edge of a bin is."""
    gain, base = rng.normal(0, 1, (UNITS, 2)), rng.uniform(12, 22, UNITS)
    ms = (2 * np.arange(-102, 2540) + 1) * 1000 / 2048
    spikes = []
    for path in paths:
        at = np.clip(ms * 0.06, 0, len(path) - 1).astype(int)
        rate = np.maximum(base + path[at] / [9, 7] @ gain.T * 12, 1) / 1024
        spikes.append([[ms[rng.random(len(ms)) < rate[:, u]] for u in range(UNITS)] for _ in range(TRIALS)])
    return spikes


def write(folder, ids, spikes):
    order = [(c, t) for t in range(TRIALS) for c in range(len(ids))]
    edges = FIRST + BIN * np.arange(BINS + 1)
    counts = np.array([[np.histogram(s, edges)[0] for s in spikes[c][t]] for c, t in order], float)
    about = {"bin_ms": BIN, "first_bin_ms": FIRST, "response_unit": "spikes/bin", "synthetic": 1}
    names = np.array([ids[c] for c, _ in order])
    np.savez_compressed(folder / "lab.npz", trial_responses=counts, trial_condition_ids=names, **about)
    savemat(folder / "lab.mat", {"trial_responses": counts, "trial_condition_ids": names.astype(object), **about}, do_compression=True)
    with h5py.File(folder / "lab.nwb", "w") as file:
        file.attrs.update({"nwb_version": "2.6.0", "namespace": "core", "neurodata_type": "NWBFile"})
        text = h5py.string_dtype()
        file["identifier"], file["session_description"] = "lab", "SYNTHETIC: invented spikes of the worked laboratory"
        file["session_start_time"] = "2026-01-01T00:00:00+00:00"
        file["timestamps_reference_time"] = "2026-01-01T00:00:00+00:00"
        onset = 1.0 + 4.0 * np.arange(len(order))
        trials = file.create_group("intervals/trials")
        trials.attrs.update({"neurodata_type": "TimeIntervals", "namespace": "core"})
        trials.attrs["colnames"] = np.array(["start_time", "stop_time", "stimulus", "go"], object)
        trials["id"], trials["start_time"], trials["stop_time"] = np.arange(len(order)), onset - 0.5, onset + 3.0
        trials["go"] = onset
        trials.create_dataset("stimulus", data=names.astype(object), dtype=text)
        units = file.create_group("units")
        units.attrs.update({"neurodata_type": "Units", "namespace": "core"})
        units.attrs["colnames"] = np.array(["spike_times"], object)
        times = [np.concatenate([onset[k] + spikes[c][t][u] / 1000 for k, (c, t) in enumerate(order)]) for u in range(UNITS)]
        units["id"] = np.arange(UNITS)
        units.create_dataset("spike_times", data=np.concatenate(times), compression="gzip", shuffle=True)
        units["spike_times_index"] = np.cumsum([len(t) for t in times])
    (folder / "lab_nwb.toml").write_text(
        f'bin_ms = {BIN}\nfirst_bin_ms = {FIRST}\nbins = {BINS}\n\n[names]\ncondition = "stimulus"\nonset = "go"\n'
    )
    return counts.reshape(TRIALS, len(ids), UNITS, BINS) / BIN


def reliable(rates, truth):
    """The published criterion: means of halves of the trials correlate over all bins of motion, p < 0.01."""
    halves = [rates[side].mean(0) for side in train_test_split(np.arange(TRIALS), test_size=0.5, random_state=0)]
    cells = lambda of, unit: np.concatenate([of[c, unit, moving] for c, (moving, _, _) in enumerate(truth)])
    tests = [pearsonr(*(cells(half, unit) for half in halves)) for unit in range(UNITS)]
    return [unit for unit, test in enumerate(tests) if test.statistic > 0 and test.pvalue < 0.01]


def golden(rates, truth):
    """Units that are kept; mean over splits of r and of the mean |error| of held-out x and y, all bins and hidden ones."""
    units = reliable(rates, truth)
    mean = rates.mean(0)
    rows = [(mean[c, units][:, moving].T, y, hidden) for c, (moving, y, hidden) in enumerate(truth)]
    x, y, hidden = (np.concatenate(part) for part in zip(*rows))
    group = np.repeat(np.arange(len(rows)), [len(r[1]) for r in rows])
    found = {f"{metric} {epoch} {axis}": [] for metric in ("r", "mae") for epoch in ("all", "hidden") for axis in "xy"}
    for train, test in GroupShuffleSplit(SPLITS, train_size=0.5, random_state=0).split(x, y, group):
        predicted = LinearRegression().fit(x[train], y[train]).predict(x[test])
        for epoch, kept in (("all", np.full(len(test), True)), ("hidden", hidden[test])):
            for k, axis in enumerate("xy"):
                p, t = predicted[kept, k], y[test][kept, k]
                found[f"r {epoch} {axis}"].append(np.corrcoef(p, t)[0, 1])
                found[f"mae {epoch} {axis}"].append(np.abs(p - t).mean())
    return {"units": len(units)} | {name: float(np.mean(values)) for name, values in found.items()}


def latents(folder, ids, paths):
    """A model of one's own, its latents by numpy: the visible ball and its square, and from then on what was seen last."""
    steps = 52
    values, time = np.zeros((len(ids), steps, 5), np.float32), np.full((len(ids), steps), np.nan)
    for c, path in enumerate(paths):
        end = 1000 / 60 * np.argmax(path[:, 0] >= PLANE)
        for k, ms in enumerate(np.arange(25, end + 50, 50)):
            x, y = path[min(int(ms * 0.06), int(np.argmax(path[:, 0] >= OCCLUDER)))]
            values[c, k], time[c, k] = (x, y, x * x, y * y, x * y), ms
    np.savez_compressed(folder / "own_latents.npz", held=values, condition_id=np.array(ids), time_ms=time)


def main():
    folder, rows = Path(sys.argv[1]), conditions()
    head = "id,x0_deg,y0_deg,heading_deg,speed_deg_per_s,wall_low_deg,wall_high_deg,intercept_x_deg,occluders\n"
    tail = f",{-WALL},{WALL},{PLANE},{OCCLUDER}:{PLANE}\n"
    (folder / "own.csv").write_text(head + "".join(",".join(map(str, row)) + tail for row in rows))
    ids, paths = [row[0] for row in rows], [flight(*row[1:]) for row in rows]
    truth = [bins_of(path) for path in paths]
    found = golden(write(folder, ids, record(paths)), truth)
    found["bins"] = int(sum(len(t[0]) for t in truth))
    found["hidden bins"] = int(sum(t[2].sum() for t in truth))
    (folder / "golden.json").write_text(json.dumps(found, indent=1) + "\n")
    latents(folder, ids, paths)


main()
