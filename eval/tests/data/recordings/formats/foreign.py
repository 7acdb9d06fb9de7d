"""SYNTHETIC single trials under names and in an order that are a laboratory's own, as .npz, MAT, Parquet and NWB, and a mapping
for each. The same rates stand in all four. Run in this folder (numpy, scipy, pandas, pyarrow, pynwb)."""
import datetime

import numpy as np
import pandas
import pynwb
import scipy.io

trials, bins, units = 8, 30, 3
stim = np.array([f"stim{k % 2}" for k in range(trials)])
block = np.array(["masked"] * 6 + ["open"] * 2)
t, b, u = np.meshgrid(np.arange(trials), np.arange(bins), np.arange(units), indexing="ij")
hz = (7 * t + 3 * b + 11 * u) % 23 + 1.0

np.savez_compressed("foreign.npz", counts=hz, stim=stim, block=block, dt=100.0, synthetic=True)
scipy.io.savemat("foreign.mat", {"data": {"counts": hz, "stim": stim.astype(object), "block": block.astype(object)},
                                 "dt": 100.0, "synthetic": True}, do_compression=True)
means = []
for s in ("stim0", "stim1"):
    of = hz[(stim == s) & (block == "masked")].mean(0)
    for unit in range(units):
        for at in range(bins):
            means.append((f"n{unit}", s, at, "masked", of[at, unit]))
table = pandas.DataFrame(means, columns=["neuron", "stim", "time_bin", "block", "hz"])
table["synthetic"] = 1.0
table.to_parquet("foreign.parquet", index=False)

nwb = pynwb.NWBFile("SYNTHETIC", "foreign", datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc))
for name in ("stim", "go", "block", "result", "aborted", "joy"):
    nwb.add_trial_column(name, name)
# One more, which was aborted.
stim, block, hz = np.append(stim, "stim0"), np.append(block, "open"), np.concatenate([hz, hz[:1]])
for k in range(trials + 1):
    nwb.add_trial(start_time=2.0 * k, stop_time=2.0 * k + 1.9, stim=stim[k], go=2.0 * k + 0.5, block=block[k],
                  result=["correct", "wrong"][k % 2], aborted=float(k == trials), joy=0.5 * k - 2)
nwb.add_unit_column("psth", "rates [trial, bin] of the unit")
for unit in range(units):
    nwb.add_unit(psth=hz[:, :, unit])
with pynwb.NWBHDF5IO("foreign.nwb", "w") as io:
    io.write(nwb, cache_spec=False)

common = '[names]\ncondition = "{c}"\nkind = "{k}"\n{more}\n[conditions]\nstim0 = "29337"\nstim1 = "55062"\n' \
         '[kinds]\nmasked = "occ"\nopen = "vis"\n'
head = 'response_unit = "Hz"\nfirst_bin_ms = -100.0\n'
for name, top, names in (
    ("npz", 'axes = ["trial", "bin", "unit"]\n', dict(c="stim", k="block", more='trial_responses = "counts"\nbin_ms = "dt"')),
    ("mat", 'axes = ["trial", "bin", "unit"]\n', dict(c="data/stim", k="data/block",
                                                      more='trial_responses = "data/counts"\nbin_ms = "dt"')),
    ("parquet", "bin_ms = 100.0\n", dict(c="stim", k="block", more='responses = "hz"\nunit = "neuron"\nbin = "time_bin"')),
    ("nwb", "bin_ms = 100.0\n", dict(c="stim", k="block", more='responses = "psth"\nonset = "go"\noutcome = "result"\n'
                                    'exclude = "aborted"\npaddle = "joy"')),
):
    more = '[outcomes]\ncorrect = "hit"\nwrong = "miss"\n' if name == "nwb" else ""
    with open(f"foreign_{name}.toml", "w") as file:
        file.write(head + top + common.format(**names) + more)
