"""Recomputes the numbers of one row from what `mpong eval --export DIR` wrote: python recompute.py DIR ROW.npz"""
import sys

import numpy as np

if len(sys.argv) != 3:
    sys.exit(__doc__)
study, row = np.load(f"{sys.argv[1]}/study.npz"), np.load(f"{sys.argv[1]}/{sys.argv[2]}")
inside, hidden = study["bin"] >= 0, study["hidden"] == 1
x, y = row["features"], study["truth"]
total, count, r, mae = np.zeros_like(y), np.zeros(len(y)), [], []
for train, test in zip(study["train"] == 1, study["test"] == 1):
    fit = inside & train[:, None]
    design = lambda mask: np.column_stack([np.ones(mask.sum()), x[mask]])
    weights = np.linalg.lstsq(design(fit), y[fit], rcond=None)[0]
    held = inside & test[:, None]
    predicted = np.full_like(y, np.nan)
    predicted[held] = design(held) @ weights
    total[test] += predicted[test]
    count[test] += 1
    score = hidden & held
    r.append([np.corrcoef(predicted[score][:, t], y[score][:, t])[0, 1] for t in (0, 1)])
    mae.append(np.abs(predicted[score] - y[score]).mean(0))
mean = total / count[:, None, None]
difference = np.nanmax(np.abs(mean - row["predictions"]))
print("r hidden x, y:", *np.mean(r, 0), "mae hidden x, y:", *np.mean(mae, 0), "largest difference:", difference)
