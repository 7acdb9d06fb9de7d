"""The analysis of rsa_speed.rs with numpy and scikit-learn, on the same simulated states; compares numbers and times.

    python rsa_speed.py UNITS OUT.json

OUT.json is what rsa_speed wrote. Per part: full distance matrices of the neurons (3 sets), of the ball and of each model by
sklearn's nan_euclidean_distances, their upper triangles, numpy's correlations. Distances of the reference are made once.
"""
import json, resource, sys, time

import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.metrics.pairwise import nan_euclidean_distances
from sklearn.model_selection import KFold


def states(steps, s, units, noise):
    u = np.arange(units)[None, :].astype(float)
    out = []
    for c, n in enumerate(steps):
        t = np.arange(n)[:, None].astype(float)
        path = np.sin(0.07 * t * (1 + u % 5) + 1.3 * u + 0.9 * c) + np.cos(0.31 * c * (1 + u % 3) + 0.5 * u)
        h = np.sin(12.9898 * t + 78.233 * (u + 1) + 37.719 * (c + 1) + 4.581 * s) * 43758.5453
        out.append(path + noise * (h - np.floor(h) - 0.5))
    return out


def warp(a, n):
    to, of = np.linspace(0, 1, n), np.linspace(0, 1, len(a))
    return np.stack([np.interp(to, of, col) for col in a.T], 1)


def r(a, b):
    return np.corrcoef(a, b)[0, 1]


def partial(xy, xz, yz):
    return (xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2))


def main():
    units, given = int(sys.argv[1]), json.load(open(sys.argv[2]))
    ball = [np.reshape(b, (-1, 2)) for b in given["ball"]]
    ball_steps = [np.reshape(b, (-1, 2)) for b in given["ball_steps"]]
    bins, steps, occ = [len(b) for b in ball], np.array([len(b) for b in ball_steps]), np.array(given["occlusion"])
    sets = [states(bins, s, units, noise) for s, noise in ((0, 1.0), (1, 2.0), (2, 2.0))]
    models = [np.concatenate(states(steps, 3 + m, 20, 0.5)) for m in range(len(given["scores"]))]

    wall, cpu = time.perf_counter(), time.process_time()
    x = [np.concatenate([warp(a, n) for a, n in zip(s, steps)]) for s in sets + [ball]]
    step = np.concatenate([np.arange(n) for n in steps])
    cond = np.repeat(np.arange(len(steps)), steps)
    masks = {"start_end": step >= 0, "start_occ": step < occ[cond], "occ_end": step >= occ[cond],
             "f": step == steps[cond] - 1, "occ": step == occ[cond]}
    worst = 0.0
    for p, (name, inside) in enumerate(masks.items()):
        upper = np.triu_indices(inside.sum(), 1)
        d = [nan_euclidean_distances(a[inside])[upper] for a in x]
        rxx, rz = r(d[1], d[2]), [r(a, d[3]) for a in d[:3]]
        for model, score in zip(models, given["scores"]):
            y = nan_euclidean_distances(model[inside])[upper]
            rxy, yz = [r(a, y) for a in d[:3]], r(y, d[3])
            part = score["parts"][p]
            assert part["part"] == name
            pairs = [(part["raw"], rxy, rxx),
                     (part["partial"], [partial(a, z, yz) for a, z in zip(rxy, rz)], partial(rxx, rz[1], rz[2]))]
            for found, xy, xx in pairs:
                expected = {"r_xx": xx, "r_xy": xy[0], "r_xy_n": (xy[1] + xy[2]) / 2 / np.sqrt(xx),
                            "r_xy_n_sb": xy[0] / np.sqrt(2 * xx / (1 + xx))}
                worst = max(worst, *(abs(found[k] - v) for k, v in expected.items()))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    for m, model in enumerate(models):
        c_of, errors = np.split(model, np.cumsum(steps)[:-1]), []
        for train, test in KFold(2).split(steps):
            fit = LinearRegression().fit(np.concatenate([c_of[c] for c in train]),
                                         np.concatenate([ball_steps[c] for c in train]))
            errors += [np.abs(fit.predict(c_of[c][occ[c]:]) - ball_steps[c][occ[c]:]) for c in test]
        index = np.concatenate(errors).mean() / 0.625
        worst = max(worst, abs(index - given["simulation_index_px32"][m]))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"scikit-learn: wall {wall:.2f} s, cpu {cpu:.2f} s, peak {peak:.2f} GiB; ours {given['seconds']:.3f} s; "
          f"largest difference {worst:.1e}")
    assert worst < 1e-9, worst


main()
