"""Stimuli as data sets of PyTorch, drawn when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from ._error import refused
from ._native import Stimuli

__all__ = ["StimulusDataset", "StimulusIterable"]


def _clips(stimuli: Stimuli, clip: int | None) -> list[tuple[int, int, int]]:
    """Condition, first frame and last of every clip."""
    if clip is not None and clip < 1:
        raise refused("clip", "1 or more", clip)
    out = []
    for place, n in enumerate(stimuli.n_frames.tolist()):
        if clip is None:
            out.append((place, 0, n))
        else:
            out.extend((place, start, start + clip) for start in range(0, n - clip + 1, clip))
    return out


def _item(stimuli: Stimuli, at: tuple[int, int, int]) -> dict[str, Any]:
    place, start, stop = at
    stimulus = stimuli[place]
    frames = torch.from_numpy(stimulus.draw(start, stop))
    truth = np.stack([stimulus.x_deg, stimulus.y_deg], axis=1)[start:stop]
    return {
        "frames": frames,
        "id": stimulus.id,
        "time_ms": torch.from_numpy(stimulus.time_ms[start:stop].copy()),
        "ball_deg": torch.from_numpy(truth),
        "hidden": torch.from_numpy(stimulus.hidden[start:stop].copy()),
    }


class StimulusDataset(Dataset[dict[str, Any]]):
    """Clips of stimuli.

    Parameters
    ----------
    stimuli : Stimuli
        What is drawn.
    clip : int, optional
        Frames of a clip, one beginning where the last ends; whole conditions without it.

    Notes
    -----
    An item has ``frames`` ``[frame, y, x, channel]`` uint8, ``id``, ``time_ms`` ``[frame]``, ``ball_deg`` ``[frame, (x, y)]``
    and ``hidden`` ``[frame]``. Workers may be forked or spawned.
    """

    def __init__(self, stimuli: Stimuli, clip: int | None = None) -> None:
        self.stimuli = stimuli
        self._clips = _clips(stimuli, clip)

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return _item(self.stimuli, self._clips[index])


class StimulusIterable(IterableDataset[dict[str, Any]]):
    """Clips of stimuli in an order drawn by a seed, shared between workers.

    Parameters
    ----------
    stimuli : Stimuli
        What is drawn.
    clip : int, optional
        Frames of a clip; whole conditions without it.
    draw : int, optional
        So many clips, drawn with replacement; each once without it.
    seed : int
        Of the order. The same seed gives the same clips, whatever the number of workers.
    """

    def __init__(
        self, stimuli: Stimuli, clip: int | None = None, *, draw: int | None = None, seed: int = 0
    ) -> None:
        self.stimuli = stimuli
        clips = _clips(stimuli, clip)
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(clips)) if draw is None else rng.integers(len(clips), size=draw)
        self._clips = [clips[k] for k in order]

    def __len__(self) -> int:
        return len(self._clips)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        worker = get_worker_info()
        first, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for at in self._clips[first::step]:
            yield _item(self.stimuli, at)
