"""Frames as pandas 3 pickles them, with Arrow's texts and with numpy's. Run in this folder."""
import pickle
import pandas as pd

for name, storage in (("arrow", "pyarrow"), ("object", "python")):
    text = pd.StringDtype(storage)
    frame = pd.DataFrame(
        {
            "t_occ": [1.5, 2.5, 3.5],
            "who": pd.array(["p", None, "qé"], dtype=text),
            "kind": pd.Categorical(["a", "b", None]),
            "at": pd.date_range("2020-03-29", periods=3, freq="h", tz="Europe/Berlin"),
            "whole": pd.array([1, None, 3], dtype="Int64"),
        }
    )
    with open(f"pandas3_{name}.pkl", "wb") as file:
        pickle.dump(frame, file, 4)
