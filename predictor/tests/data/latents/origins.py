"""The same latents of two conditions in every format that others write them in: a unit is the ball's x, its y, or x - y / 2 + 1
(degrees). python origins.py MPONG, in this folder (numpy, xarray, netCDF4, zarr, h5py, pandas, pyarrow; no torch)."""
import collections
import csv
import io
import pickle
import shutil
import subprocess
import sys
import types
import zipfile

import h5py
import numpy as np
import pandas
import xarray as xr

ids = ["29337", "55062"]
rows = {}
for id in ids:
    text = subprocess.run([sys.argv[1], "trajectory", id, "--law", "display"], capture_output=True, text=True).stdout
    rows[id] = [(float(r["time_ms"]), float(r["x_deg"]), float(r["y_deg"])) for r in csv.DictReader(io.StringIO(text))]
steps = max(map(len, rows.values()))
latents = np.full((2, steps, 3), np.nan, np.float32)
time = np.full((2, steps), np.nan)
for c, id in enumerate(ids):
    for s, (t, x, y) in enumerate(rows[id]):
        time[c, s] = t
        latents[c, s] = x, y, x - 0.5 * y + 1
n_steps = np.array([len(rows[id]) for id in ids])

data = xr.Dataset(
    {"mine": (("condition", "step", "unit"), latents), "time_ms": (("condition", "step"), time), "n_steps": (("condition",), n_steps)},
    coords={"condition": ids},
)
data.to_netcdf("own.nc", encoding={"mine": {"zlib": True, "shuffle": True, "chunksizes": (1, 60, 3)}})
for version in (2, 3):
    shutil.rmtree(f"v{version}.zarr", ignore_errors=True)
    # Texts of a fixed width, and of any.
    texts = data if version == 2 else data.assign_coords(condition=np.array(ids, dtype=object))
    texts.to_zarr(f"v{version}.zarr", zarr_format=version, consolidated=False, encoding={"mine": {"chunks": (1, 60, 2)}})
np.save("plain.npy", latents)
with h5py.File("nested.h5", "w") as file:
    group = file.create_group("network/run1")
    group.create_dataset("mine", data=latents, chunks=(1, 60, 3), compression="gzip")
    group["time_ms"] = time
    group["n_steps"] = n_steps
    group["id"] = np.array(ids, dtype=h5py.string_dtype())
long = [
    (id, s, u, float(latents[c, s, u]))
    for c, id in enumerate(ids) for s in range(len(rows[id])) for u in range(3)
]
pandas.DataFrame(long, columns=["condition", "frame", "unit", "value"]).assign(layer="mine").to_parquet("long.parquet", index=False)


# What torch.save writes, without torch: the names of its functions stand in the pickle, values in entries of their own.
def module(name, **content):
    sys.modules[name] = types.ModuleType(name)
    for key, value in content.items():
        value.__module__, value.__qualname__ = name, key
        setattr(sys.modules[name], key, value)


def _rebuild_tensor_v2():
    pass


module("torch", FloatStorage=type("FloatStorage", (), {}), LongStorage=type("LongStorage", (), {}))
module("torch._utils", _rebuild_tensor_v2=_rebuild_tensor_v2)



class Stored:
    def __init__(self, key, array):
        self.key, self.array = key, array


class Tensor:
    def __init__(self, key, array):
        self.stored, self.array = Stored(key, array), array

    def __reduce__(self):
        strides = [n // self.array.itemsize for n in self.array.strides]
        args = (self.stored, 0, self.array.shape, tuple(strides), False, collections.OrderedDict())
        return sys.modules["torch._utils"]._rebuild_tensor_v2, args


class Pickler(pickle._Pickler):
    def persistent_id(self, obj):
        if isinstance(obj, Stored):
            kind = "LongStorage" if obj.array.dtype == np.int64 else "FloatStorage"
            return ("storage", getattr(sys.modules["torch"], kind), obj.key, "cpu", obj.array.size)


frame = np.where(np.isnan(time), -1, np.arange(steps)).astype(np.int64)
content = {"mine": Tensor("0", np.nan_to_num(latents)), "frame": Tensor("1", frame), "id": [int(id) for id in ids]}
out = io.BytesIO()
Pickler(out, protocol=2).dump(content)
with zipfile.ZipFile("dict.pt", "w") as file:
    for name, bytes in (("data.pkl", out.getvalue()), ("byteorder", b"little"), ("version", b"3\n"),
                        ("data/0", content["mine"].array.tobytes()), ("data/1", frame.tobytes())):
        file.writestr(zipfile.ZipInfo(f"dict/{name}"), bytes)
