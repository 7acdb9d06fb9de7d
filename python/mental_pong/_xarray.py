"""Data sets with named axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ._native import Stimuli


def stimuli(given: Stimuli) -> Any:
    """All frames and their truth; what is beyond a condition's last frame is 0 in frames and NaN in the truth."""
    try:
        import xarray
    except ImportError as error:
        raise ImportError("xarray is not installed: pip install 'mental-pong[xarray]'") from error
    lengths = given.n_frames
    n, longest = len(given), int(lengths.max())
    shape = given.frame_shape
    frames = np.zeros((n, longest, *shape), dtype=np.uint8)
    truth = {name: np.full((n, longest), np.nan) for name in ("time_ms", "x_deg", "y_deg")}
    hidden = np.zeros((n, longest), dtype=np.bool_)
    for place in range(n):
        one = given[place]
        frames[place, : len(one)] = one.frames
        hidden[place, : len(one)] = one.hidden
        for name, values in truth.items():
            values[place, : len(one)] = getattr(one, name)
    axes = ("condition", "frame", "y", "x", "channel")[: frames.ndim]
    data: dict[str, Any] = {"frames": (axes, frames), "hidden": (("condition", "frame"), hidden)}
    data.update({name: (("condition", "frame"), values) for name, values in truth.items()})
    data["n_frames"] = ("condition", lengths)
    about = {"set_name": given.set.name, "set_sha256": given.set.sha256, "rate_hz": given.rate_hz}
    return xarray.Dataset(data, coords={"condition": given.ids}, attrs=about)
