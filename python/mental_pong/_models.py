"""Latents of anyone's model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _native
from ._arrays import plain
from ._error import refused, shaped
from ._native import Latents, Stimuli

Progress = Callable[[str, int, int], object]


def encode(
    model: Callable[[npt.NDArray[np.uint8]], Any],
    stimuli: Stimuli,
    *,
    batch: int = 64,
    layer: str = "latents",
    progress: Progress | None = None,
) -> Latents:
    """Latents of a model that takes frames.

    Parameters
    ----------
    model : callable
        Takes ``[frame, y, x, channel]`` (``[frame, y, x]`` of grey presets) uint8, at most `batch` frames of one
        condition in order, and gives ``[frame, ...]`` numbers of NumPy, PyTorch or JAX; all axes after the first are
        the units.
    stimuli : Stimuli
        The frames.
    batch : int
        Most frames of a call.
    layer : str
        Name of the layer.
    progress : callable, optional
        Called with stage, conditions done and conditions in all.

    Returns
    -------
    Latents
        ``[condition, frame, unit]``, NaN beyond a condition's last frame.

    Raises
    ------
    Error
        For another number of latents than frames, or numbers of latents that change.
    """
    if batch < 1:
        raise refused("batch", "1 or more", batch)
    lengths = stimuli.n_frames
    array: npt.NDArray[np.float32] | None = None
    times = np.full((len(stimuli), int(lengths.max())), np.nan)
    for place in range(len(stimuli)):
        stimulus = stimuli[place]
        frames = stimulus.frames
        times[place, : len(stimulus)] = stimulus.time_ms
        for start in range(0, len(frames), batch):
            clip = frames[start : start + batch]
            out = plain(model(clip))
            found = out.reshape(len(out), -1) if out.ndim else out
            units = found.shape[1] if found.ndim == 2 else 0
            if found.ndim != 2 or len(found) != len(clip) or (array is not None and units != array.shape[2]):
                wanted = "units" if array is None else array.shape[2]
                field = f"condition {stimulus.id}, frame {start}"
                raise shaped(field, f"[{len(clip)} frames, {wanted}]", out.shape)
            if array is None:
                array = np.full((*times.shape, units), np.nan, dtype=np.float32)
            array[place, start : start + len(clip)] = found
        if progress is not None:
            progress("encode", place + 1, len(stimuli))
    return Latents(
        array,
        stimuli.ids,
        times,
        conditions=stimuli.set,
        n_steps=lengths.tolist(),
        layer=layer,
    )


def forecast(
    encoder_latents: Latents,
    dynamics: str | Callable[[npt.NDArray[np.float32], int], Any],
    *,
    progress: Progress | None = None,
) -> Latents:
    """Latents that go on from an encoder's where the ball is hidden.

    Every step before the first with the ball wholly hidden is kept, every later one is forecast from those; nothing of
    the encoder's own latents of the hidden ball is looked at.

    Parameters
    ----------
    encoder_latents : Latents
        ``[condition, step, unit]``, of a known condition set.
    dynamics : str or callable
        ``"inertia"`` (the latents' smoothed velocity, kept), ``"identity"`` (the last latent, held), the path of a file
        of dynamics, or a callable that takes ``[step, unit]`` float32 and a number of steps, and gives
        ``[steps, unit]``.
    progress : callable, optional
        Called with stage, conditions done and conditions in all.

    Returns
    -------
    Latents
        As many conditions, steps and units.

    Raises
    ------
    Error
        For dynamics of other latents, or a condition that begins hidden.
    """
    if not callable(dynamics):
        return _native.forecast(encoder_latents, dynamics, progress=progress)
    array = encoder_latents.array.copy()
    seen, lengths = encoder_latents.n_visible, encoder_latents.n_steps
    for place, (first, last) in enumerate(zip(seen.tolist(), lengths.tolist(), strict=True)):
        if first < last:
            out = plain(dynamics(array[place, :first], last - first))
            if out.shape != (last - first, array.shape[2]):
                raise shaped("dynamics", f"[{last - first} steps, {array.shape[2]} units]", out.shape)
            array[place, first:last] = out
        if progress is not None:
            progress("forecast", place + 1, len(seen))
    return Latents(
        array,
        encoder_latents.ids,
        encoder_latents.time_ms,
        conditions=encoder_latents.set,
        n_steps=lengths.tolist(),
        layer="dynamics",
    )
