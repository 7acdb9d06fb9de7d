"""Arrays of any origin as NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ._error import refused, shaped


def plain(values: Any) -> Any:
    """An array of NumPy from one of NumPy, PyTorch, JAX or a list; a tensor leaves its graph and its device."""
    if hasattr(values, "detach"):
        values = values.detach()
        if str(values.dtype) == "torch.bfloat16":
            values = values.float()
        values = values.cpu().numpy()
    return np.asarray(values)


def latents(values: Any) -> npt.NDArray[np.float32]:
    """``[condition, step, unit]`` float32. An array that is so already is taken as it is, whatever its order."""
    array = plain(values)
    if array.ndim != 3:
        raise shaped("latents", "[condition, step, unit]", array.shape)
    if array.dtype.kind not in "fiub":
        raise refused("latents", "numbers", array.dtype)
    with np.errstate(over="ignore"):
        numbers: npt.NDArray[np.float32] = array.astype(np.float32, copy=False)
    return numbers


def times(values: Any, conditions: int, steps: int) -> npt.NDArray[np.float64]:
    """``[condition, step]`` float64; times of one condition are those of all."""
    array = plain(values).astype(np.float64, copy=False)
    if array.shape not in ((steps,), (conditions, steps)):
        raise shaped("time_ms", f"[{steps} steps] or [{conditions} conditions, {steps} steps]", array.shape)
    return np.ascontiguousarray(np.broadcast_to(array, (conditions, steps)))
