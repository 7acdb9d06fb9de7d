"""Opens what `recordings convert` and `predict` wrote with the programs that it is for, and holds it against numpy's arrays.

    python opened.py FOLDER

Each part is said that was opened; a part whose package is not installed is passed over, and said.
"""
import importlib
import sys
from pathlib import Path

import numpy as np

folder = Path(sys.argv[1])
npz = np.load(folder / "simulated.npz")
rates = npz["neural_responses/occ"].transpose(1, 0, 2)  # condition, unit, bin
ids = [str(int(i)) for i in npz["meta/py_meta_index"]]


def part(name, *packages):
    def run(check):
        missing = [p for p in packages if importlib.util.find_spec(p) is None]
        if missing:
            print(f"{name}: not opened, {', '.join(missing)} is not there")
            return
        check()
        print(f"{name}: opened")

    return run


def same(found, expected):
    np.testing.assert_array_equal(np.asarray(found), expected)


@part("NetCDF", "xarray", "scipy")
def _():
    import xarray

    set_ = xarray.open_dataset(folder / "simulated.nc")
    assert set_.responses.dims == ("unit", "condition", "bin")
    assert [str(i) for i in set_.condition.values] == ids
    same(set_.responses.transpose("condition", "unit", "bin"), rates)
    assert set_.bin.values[0] == -300.0 and set_.attrs["set_sha256"]
    same(set_.responses.sel(condition=ids[2]).T, rates[2].T)
    latents = xarray.open_dataset(folder / "latents.nc")
    assert latents.dynamics.dims == ("condition", "step", "unit")
    assert [str(i) for i in latents.id.values] == ids


@part("Zarr", "xarray", "zarr")
def _():
    import xarray

    set_ = xarray.open_dataset(folder / "simulated.zarr", engine="zarr")
    assert set_.responses.dims == ("unit", "condition", "bin")
    same(set_.responses.transpose("condition", "unit", "bin"), rates)


@part("MAT", "scipy")
def _():
    from scipy.io import loadmat

    mat = loadmat(folder / "simulated.mat", simplify_cells=True)
    same(mat["neural_responses"]["occ"].transpose(1, 0, 2), rates)
    same(mat["meta"]["py_meta_index"], npz["meta/py_meta_index"])
    assert mat["simulated"] == 1


@part("rsatoolbox", "rsatoolbox")
def _():
    from rsatoolbox.data import load_dataset

    data = load_dataset(str(folder / "simulated.h5"))
    same(data.measurements, rates)
    assert list(data.obs_descriptors["condition"]) == ids
    assert abs(data.time_descriptors["time"][6] - 0.025) < 1e-12


@part("Brain-Score assembly", "xarray", "scipy")
def _():
    import xarray

    array = xarray.open_dataarray(folder / "simulated.assembly.nc")
    assert array.dims == ("presentation", "neuroid", "time_bin")
    same(array, rates)
    assert [str(i) for i in array.stimulus_id.values] == ids
    assert array.stimulus_id.dims == ("presentation",) and array.neuroid_id.dims == ("neuroid",)
    assert array.time_bin_start.values[6] == 0.0 and array.time_bin_end.values[6] == 50.0


@part("Brain-Score's loader", "brainscore_core")
def _():
    from brainscore_core.supported_data_standards.brainio.assemblies import NeuroidAssembly

    array = NeuroidAssembly.from_files(file_path=folder / "simulated.assembly.nc")
    same(array, rates)
    assert "stimulus_id" in array["presentation"].to_index().names
