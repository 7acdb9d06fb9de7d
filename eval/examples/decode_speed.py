"""The work of decode_speed.rs with numpy, scipy and scikit-learn, on the same simulated data: checks and times.

Usage: OPENBLAS_NUM_THREADS=1 python decode_speed.py DIR   (after decode_speed.rs has written DIR)
"""
import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from scipy.stats import pearsonr, rankdata, spearmanr
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GroupShuffleSplit

warnings.filterwarnings("ignore")
DIR = Path(sys.argv[1])
load = lambda name: np.load(DIR / f"{name}.npy").astype(np.float64)
ours = json.loads((DIR / "rust.json").read_text())
condition = load("condition").astype(int)
Y, heights = load("targets"), load("heights")
splits = list(GroupShuffleSplit(100, train_size=0.5, random_state=0).split(condition, groups=condition))
rows = []


def timed(f):
    w, c = time.perf_counter(), time.process_time()
    out = f()
    return out, time.perf_counter() - w, time.process_time() - c


def note(name, wall, cpu, worst, tolerance, scale=1.0, against=None):
    o = ours[against or name]
    assert worst < tolerance, (name, worst)
    print(f"| {name} | {o['wall_s']:.3f} | {o['cpu_s']:.2f} | {wall * scale:.2f} | {cpu * scale:.2f} "
          f"| {wall * scale / o['wall_s']:.0f} | {cpu * scale / max(o['cpu_s'], 1e-9):.0f} | {worst:.0e} |")


def difference(found, name):
    return max(np.nanmax(np.abs(np.array(v) - np.array(ours[name]["values"][k], float))) for k, v in found.items())


def online(X, n, vectorised):
    out = {"r": [], "rs": [], "mae": []}
    for train, test in splits[:n]:
        P = LinearRegression().fit(X[train], Y[train]).predict(X[test])
        T = Y[test]
        if vectorised:
            corr = lambda A, B: ((A - A.mean(0)) * (B - B.mean(0))).mean(0) / A.std(0) / B.std(0)
            out["r"].append(corr(P, T))
            out["rs"].append(corr(rankdata(P, axis=0), rankdata(T, axis=0)))
            out["mae"].append(np.abs(P - T).mean(0))
        else:
            out["r"].append([pearsonr(P[:, t], T[:, t])[0] for t in range(T.shape[1])])
            out["rs"].append([spearmanr(P[:, t], T[:, t])[0] for t in range(T.shape[1])])
            out["mae"].append([np.abs(P[:, t] - T[:, t]).mean() for t in range(T.shape[1])])
    return out


def endpoint(X, n):
    first = np.r_[0, np.cumsum(np.bincount(condition))]
    time_of = np.arange(len(condition)) - first[condition]
    y = heights[condition]
    out = {"r": [], "mae": []}
    for train, test in splits[:n]:
        pca = PCA(50, svd_solver="arpack").fit(X[train])
        p = LinearRegression().fit(pca.transform(X[train]), y[train]).predict(pca.transform(X[test]))
        r, mae = [], []
        for t in range(time_of.max() + 1):
            at = time_of[test] == t
            r.append(np.corrcoef(p[at], y[test][at])[0, 1] if at.sum() >= 2 else np.nan)
            mae.append(np.abs(p[at] - y[test][at]).mean() if at.any() else np.nan)
        out["r"].append(r)
        out["mae"].append(mae)
    return out


def encoding():
    R, V, mask = load("encoded"), load("regressors"), load("mask") > 0
    c, b = np.nonzero(mask)
    X = np.c_[V[:, mask].T, load("bounce")]
    fold = c % 10
    pos, kin, hand, eye = [0, 1], [2, 3, 4, 5], [6, 7], list(range(8, 14))
    ball, every = pos + kin + [14], list(range(15))
    less = lambda s: [k for k in every if k not in s]
    models = [every, less(pos), less(kin), less(hand), less(eye), less(ball), pos, kin, hand, eye, ball]
    lags = np.arange(-6, 7)

    def cross(y, m):
        ll, pvaf = 0.0, []
        for k in range(10):
            train, test = fold != k, fold == k
            A = np.c_[np.ones(train.sum()), X[train][:, m]]
            beta = np.linalg.lstsq(A, y[train], rcond=None)[0]
            e = y[test] - np.c_[np.ones(test.sum()), X[test][:, m]] @ beta
            ll = ll - 0.5 * (e**2).sum(0)
            pvaf.append(1 - e.var(0) / y[test].var(0))
        return ll, np.mean(pvaf, 0)

    shifted = lambda lag, u: 50 * R[u][:, c, (b - lag) % R.shape[2]].T
    units = np.arange(len(R))
    best = lags[np.argmax([cross(shifted(lag, units), every)[0] for lag in lags], axis=0)]
    pvaf = np.zeros((len(R), 11))
    for lag in lags:
        u = units[best == lag]
        if len(u):
            y = shifted(lag, u)
            for k, m in enumerate(models):
                pvaf[u, k] = cross(y, m)[1]
    return {"lag": best, "pvaf": pvaf}


print("| work | Rust wall s | Rust CPU s | Python wall s | Python CPU s | wall ratio | CPU ratio | largest difference |")
print("|---|---|---|---|---|---|---|---|")
F = load("factors")
online(F, 2, False)
for name, vectorised in (("per variable", False), ("all variables at once", True)):
    found, wall, cpu = timed(lambda: online(F, 100, vectorised))
    note(f"online FA50, 33 variables, 100 splits ({name})", wall, cpu, difference(found, "online_fa50"), 1e-9, against="online_fa50")
U = load("units")
found, wall, cpu = timed(lambda: online(U, 3, False))
worst = difference(found, "online_raw_3")
note("online 1889 units, 3 splits", wall, cpu, worst, 1e-6, against="online_raw_3")
note("online 1889 units, 100 splits (Python x 100/3)", wall, cpu, worst, 1e-6, 100 / 3, "online_raw_100")
found, wall, cpu = timed(lambda: endpoint(U, 10))
worst = difference(found, "endpoint_10")
note("end point, PCA 50 of 1889 units, 10 splits", wall, cpu, worst, 1e-6, against="endpoint_10")
note("end point, 100 splits (Python x 10)", wall, cpu, worst, 1e-6, 10, "endpoint_100")
found, wall, cpu = timed(encoding)
note("encoding, 2576 units, 13 lags, 11 models", wall, cpu, difference(found, "encoding"), 1e-8, against="encoding")
print(f"numpy {np.__version__}")
