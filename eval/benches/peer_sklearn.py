"""The work of `cargo bench --bench linear` with scikit-learn, on the files it wrote; checks the numbers and prints ratios.

    OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 python eval/benches/peer_sklearn.py DIR [task ...]
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import sklearn
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.linear_model import LinearRegression, Ridge, RidgeCV

folder = Path(sys.argv[1])
ours = json.loads((folder / "ours.json").read_text())
load = lambda name: np.load(folder / f"{name}.npy")
features, full, first, second = (load(n) for n in ("features", "full", "first", "second"))
train, test = (np.array(ours["split"][k]) for k in ("train", "test"))
alphas = [10.0**k for k in range(-9, 6)] + [5 * 10.0**k for k in range(-4, 5)]
alphas.sort()


def columns_r(a, b):
    a, b = a - a.mean(0), b - b.mean(0)
    return (a * b).sum(0) / np.sqrt((a**2).sum(0) * (b**2).sum(0))


def predictivity(make):
    def run():
        fits = [make().fit(features[train], y[train]) for y in (full, first, second)]
        p, p1, p2 = (f.predict(features[test]) for f in fits)
        sb = lambda r: 2 * r / (1 + r)
        r_xx, r_yy = sb(columns_r(p1, p2)), sb(columns_r(first[test], second[test]))
        score = columns_r(p, full[test]) / np.sqrt(r_xx * r_yy)
        return {"r_xy_n_sb": score, "alpha": [getattr(f, "alpha_", None) for f in fits]}

    return run


def factors(k):
    def run():
        fits = [FactorAnalysis(n_components=k, random_state=0).fit(x) for x in (full, first, second)]
        return {
            "log_likelihood": [f.loglike_ for f in fits],
            "noise_variance": fits[0].noise_variance_,
            "scores_first_row_abs": np.abs(fits[0].transform(full)[0]),
        }

    return run


def spectrum():
    ratio = PCA(svd_solver="full").fit(full).explained_variance_ratio_
    return {"variance_ratio": ratio, "participation_ratio": 1 / (ratio**2).sum()}


tasks = {
    "ridge1": predictivity(lambda: Ridge(alpha=1.0)),
    "ridge-cv": predictivity(lambda: RidgeCV(alphas=alphas)),
    "least-squares": predictivity(LinearRegression),
    "pls25": predictivity(lambda: PLSRegression(n_components=25, scale=False)),
    "factors10 x3": factors(10),
    "factors50 x3": factors(50),
    "spectrum": spectrum,
}


def difference(a, b):
    a, b = np.asarray(a, float), np.asarray(b, float)
    if a.shape != b.shape or not (np.isnan(a) == np.isnan(b)).all():
        return np.inf
    return np.nanmax(np.abs(a - b) / np.maximum(1, np.abs(b)), initial=0)


print("scikit-learn", sklearn.__version__, "numpy", np.__version__)
print(f"{'task':16}{'sklearn wall':>13}{'cpu':>9}{'ours wall':>11}{'cpu':>9}{'ratio cpu':>11}{'largest difference':>20}")
for name in sys.argv[2:] or tasks:
    cpu, wall = time.process_time(), time.perf_counter()
    result = tasks[name]()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    mine = ours["tasks"][name]
    worst = 0.0
    for key, value in result.items():
        if key == "alpha":
            if value[0] is None:
                continue
            expected = [a[0] for a in mine["result"][key]]
        elif key == "log_likelihood":
            for a, b in zip(mine["result"][key], value):
                worst = max(worst, difference(a, b))
            continue
        else:
            expected = [np.nan if v is None else v for v in np.ravel(mine["result"][key])]
            value = np.ravel(value)
        worst = max(worst, difference(expected, value))
    print(
        f"{name:16}{wall:13.2f}{cpu:9.2f}{mine['wall_s']:11.3f}{mine['cpu_s']:9.2f}"
        f"{cpu / mine['cpu_s']:11.1f}{worst:20.1e}",
        flush=True,
    )
