"""SYNTHETIC responses with named axes as xarray writes them: NetCDF 4, Zarr 2 and 3, with axes in another order than asked for.
Hz of unit u, condition c, bin b: 1 + u + 0.1 c + 0.01 b, halves half a Hz more and less. Run in this folder."""
import shutil

import numpy as np
import xarray as xr

ids = ["29337", "55062", "58244"]
b, c, u = np.meshgrid(np.arange(30), np.arange(3), np.arange(2), indexing="ij")
hz = 1.0 + u + 0.1 * c + 0.01 * b
axes = ("bin", "condition", "unit")
data = xr.Dataset(
    {"responses": (axes, hz), "responses_sh1": (axes, hz + 0.5), "responses_sh2": (axes, hz - 0.5),
     "unit_animal": (("unit",), np.array(["p", "q"]))},
    coords={"condition": ids, "bin": -100.0 + 100 * np.arange(30)},
    attrs={"bin_ms": 100.0, "first_bin_ms": -100.0, "response_unit": "Hz", "synthetic": "true"},
)
data.to_netcdf("labelled.nc", encoding={"responses": {"zlib": True}})
for version in (2, 3):
    shutil.rmtree(f"labelled{version}.zarr", ignore_errors=True)
    data.to_zarr(f"labelled{version}.zarr", zarr_format=version)
