"""SYNTHETIC arrays of a laboratory as MATLAB keeps them, version 5 and 7.3, with variables that are not read. Run in this folder."""
import h5py
import numpy as np
import scipy.io
import scipy.sparse

units, bins = 3, 120
ids = ["29337", "55062", "58244", "59920"]
u, c, b = np.meshgrid(np.arange(units), np.arange(len(ids)), np.arange(bins), indexing="ij")
hz = 1.0 + u + 0.1 * c + 0.01 * b
lab = {
    "responses": hz,
    "responses_sh1": hz + 0.5,
    "responses_sh2": hz - 0.5,
    "condition_ids": np.array(ids, dtype=object).reshape(-1, 1),
    "bin_ms": 20.0,
    "first_bin_ms": -100.0,
    "response_unit": "Hz",
    "unit_animal": np.array(["p", "p", "q"], dtype=object).reshape(-1, 1),
    "synthetic": True,
    "weights": scipy.sparse.eye(4).tocsc(),
    "phase": np.array([1 + 2j]),
}
scipy.io.savemat("synthetic_lab_v5.mat", lab, do_compression=True)
with h5py.File("synthetic_lab_v73.mat", "w", userblock_size=512) as file:
    def put(name, values, kind):
        data = file.create_dataset(name, data=np.asarray(values).T)
        data.attrs["MATLAB_class"] = np.bytes_(kind)
        return data
    for name in ("responses", "responses_sh1", "responses_sh2"):
        put(name, lab[name], "double")
    for name in ("bin_ms", "first_bin_ms"):
        put(name, [[lab[name]]], "double")
    text = lambda t: np.array([[ord(c) for c in t]], dtype=np.uint16)
    put("response_unit", text("Hz"), "char")
    put("synthetic", np.array([[1]], dtype=np.uint8), "logical")
    group = file.create_group("#refs#")
    for name in ("condition_ids", "unit_animal"):
        refs = []
        for k, t in enumerate(lab[name].ravel()):
            cell = group.create_dataset(f"{name}{k}", data=text(t).T)
            cell.attrs["MATLAB_class"] = np.bytes_("char")
            refs.append(cell.ref)
        data = file.create_dataset(name, data=np.array(refs, dtype=h5py.ref_dtype).reshape(1, -1))
        data.attrs["MATLAB_class"] = np.bytes_("cell")
    sparse = file.create_group("weights")
    sparse.attrs["MATLAB_class"] = np.bytes_("double")
    sparse.attrs["MATLAB_sparse"] = np.uint64(4)
    sparse.create_dataset("data", data=np.ones(4))
with open("synthetic_lab_v73.mat", "r+b") as file:
    file.write(b"MATLAB 7.3 MAT-file, SYNTHETIC".ljust(116) + b"\0" * 8 + b"\x00\x02IM")
