"""Mental-Pong in Brain-Score's interface: a benchmark that any of its models can be asked.

It needs ``brainscore-core`` (``pip install 'mental-pong[brainscore]'``), whose words it uses: a model is a *candidate* with
``start_recording(target, time_bins)`` and ``look_at(stimulus_set, number_of_trials)``, which gives an assembly
``[presentation, neuroid, time_bin]``; what comes of it is a ``Score``, divided by the ceiling.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from brainscore_core.benchmarks import BenchmarkBase
from brainscore_core.metrics import Score
from brainscore_core.supported_data_standards.brainio.assemblies import NeuroidAssembly, walk_coords
from brainscore_core.supported_data_standards.brainio.stimuli import StimulusSet

from . import _native
from ._error import refused
from ._native import ConditionSet, Latents, Stimuli
from ._study import Result, evaluate

__all__ = ["MentalPong", "assembly", "latents", "stimulus_set"]

#: What is reported of an analysis: its metric, and the target where there are several.
METRICS = {"predictivity": "median_r_xy_n_sb", "rsa": "r_xy_n_sb"}
BIBTEX = """@article{Rajalingham2025,
  title = {Dynamic tracking of objects in the macaque dorsomedial frontal cortex},
  author = {Rajalingham, Rishi and Sohn, Hansem and Jazayeri, Mehrdad},
  journal = {Nature Communications},
  volume = {16},
  year = {2025},
  url = {https://doi.org/10.1038/s41467-024-54688-y}
}"""


def stimulus_set(stimuli: Stimuli, folder: str | os.PathLike[str], *, format: str = "npy") -> Any:
    """Stimuli as a ``StimulusSet`` of Brain-Score, a row a condition.

    Parameters
    ----------
    stimuli : Stimuli
        What is shown.
    folder : path
        Where the frames are written.
    format : {"npy", "gif", "mp4"}
        A file of each condition: ``npy`` holds ``[frame, y, x, channel]`` uint8; ``mp4``, which needs ffmpeg, is lossy, and
        what Brain-Score's video models open.

    Returns
    -------
    StimulusSet
        ``stimulus_id``, ``condition_id``, ``n_frames``, ``rate_hz`` and ``duration_ms`` (from motion onset to the last frame),
        with ``stimulus_paths``. A frame spans 20 degrees of visual angle.

    Raises
    ------
    Error
        For another format, or a folder that cannot be written.
    """
    if format not in ("npy", "gif", "mp4"):
        raise refused("format", "npy, gif or mp4: a file of each condition", format)
    stimuli.write(folder, format=format)
    paths = {}
    for id in stimuli.ids:
        found = [p for p in Path(folder).rglob(f"*.{format}") if p.stem == id or p.stem.endswith(f"_{id}")]
        if len(found) != 1:
            raise refused(id, f"one .{format} file", len(found), file=os.fspath(folder))
        paths[id] = found[0]
    made = StimulusSet(
        {
            "stimulus_id": stimuli.ids,
            "condition_id": stimuli.ids,
            "n_frames": stimuli.n_frames,
            "rate_hz": stimuli.rate_hz,
            "duration_ms": (stimuli.n_frames - 1) * 1000.0 / stimuli.rate_hz,
        }
    )
    made.stimulus_paths = paths
    made.identifier = f"mental_pong.{stimuli.set.name}.{stimuli.set.sha256[:12]}"
    return made


def latents(given: Any, conditions: ConditionSet) -> Latents:
    """An assembly of a model as latents.

    Parameters
    ----------
    given : DataAssembly
        ``[presentation, neuroid, time_bin]`` with the coordinates ``stimulus_id``, ``time_bin_start`` and ``time_bin_end``
        (milliseconds from motion onset). Presentations of one stimulus are averaged; NaN is allowed after its end.
    conditions : ConditionSet
        Whose ids the stimuli have.

    Returns
    -------
    Latents
        ``[condition, time_bin, neuroid]``, each step in the middle of its bin.

    Raises
    ------
    Error
        For other axes, or ids that are not in the set.
    """
    axes = ("presentation", "time_bin", "neuroid")
    if set(given.dims) != set(axes):
        raise refused("assembly", f"the axes {', '.join(axes)}", ", ".join(map(str, given.dims)))
    given = given.transpose(*axes)
    try:
        of = [given[name].values for name in ("stimulus_id", "time_bin_start", "time_bin_end")]
    except KeyError as missing:
        found = ", ".join(name for name, _, _ in walk_coords(given))
        raise refused("assembly", f"the coordinate {missing}, beside another of its axis", found) from missing
    names, middles = [str(id) for id in of[0]], (of[1] + of[2]) / 2.0
    ids = list(dict.fromkeys(names))
    values = np.asarray(given.values, dtype=np.float32)
    places: dict[str, list[int]] = {id: [] for id in ids}
    for place, name in enumerate(names):
        places[name].append(place)
    array = np.stack([values[places[id]].mean(axis=0) for id in ids])
    present = np.isfinite(array).all(axis=2)
    steps = [int(row.nonzero()[0][-1]) + 1 if row.any() else 0 for row in present]
    return Latents(array, ids, middles.astype(np.float64), conditions=conditions, n_steps=steps, layer="assembly")


def assembly(recording: _native.Recording, trials: str = "occ", *, half: str = "full") -> Any:
    """The mean responses of a recording as a ``NeuroidAssembly``.

    Parameters
    ----------
    recording : Recording
        What was recorded.
    trials : {"occ", "vis"}
        Which trials.
    half : {"full", "sh1", "sh2"}
        Mean over all trials, or over one half of them.

    Returns
    -------
    NeuroidAssembly
        ``[presentation, neuroid, time_bin]``, spikes/ms, NaN beyond a trial's end; times are milliseconds from motion onset.

    Raises
    ------
    Error
        For responses that are not there.
    """
    responses = recording.responses(trials, half=half)
    units, conditions, bins = responses.shape
    ids = recording.ids if recording.ids is not None else [str(k) for k in range(conditions)]
    starts = recording.first_bin_ms + np.arange(bins) * recording.bin_ms
    made = NeuroidAssembly(
        responses.transpose(1, 0, 2),
        coords={
            "stimulus_id": ("presentation", ids),
            "condition_id": ("presentation", ids),
            "neuroid_id": ("neuroid", np.arange(units)),
            "region": ("neuroid", ["DMFC"] * units),
            "time_bin_start": ("time_bin", starts),
            "time_bin_end": ("time_bin", starts + recording.bin_ms),
        },
        dims=["presentation", "neuroid", "time_bin"],
    )
    made.attrs["stimulus_set_identifier"] = f"mental_pong.{recording.set_name}"
    return made


class MentalPong(BenchmarkBase):
    """How well does a model, shown the ball vanish, explain the recorded units while the ball is hidden?

    Parameters
    ----------
    recording : Recording
        What was recorded; with halves of its trials, for the ceiling.
    stimuli : Stimuli, optional
        What the model is shown; the conditions of the recording as encoders see them without it.
    analysis : {"predictivity", "rsa"}
        Noise-corrected prediction of single units on held-out conditions, median over units (Nayebi et al. 2023), or
        noise-corrected correlation of the distances between states (Rajalingham et al. 2025).
    epoch : {"hidden", "visible", "all"}
        Part of the trial; ``visible`` is not there for ``predictivity``.
    region : str
        The target that the model is asked to record from.
    number_of_trials : int
        How often the model looks at each stimulus.
    format : {"npy", "gif", "mp4"}
        File of a stimulus; see :func:`stimulus_set`.
    **settings
        Settings of the study, as :func:`mental_pong.evaluate` takes them.

    Raises
    ------
    Error
        For an analysis that is not one of these, or a recording whose set nobody knows.

    Examples
    --------
    ``score = MentalPong(recording)(candidate)``: ``score`` is divided by the ceiling and not clipped,
    ``score.attrs["raw"]`` is not divided, ``score.attrs["ceiling"]`` is the ceiling, ``score.attrs["error"]`` half the width of
    the 95 % interval, ``score.attrs["result"]`` all of the study.
    """

    def __init__(
        self,
        recording: _native.Recording,
        stimuli: Stimuli | None = None,
        *,
        analysis: str = "predictivity",
        epoch: str = "hidden",
        region: str = "DMFC",
        number_of_trials: int = 1,
        format: str = "npy",
        **settings: Any,
    ) -> None:
        if analysis not in METRICS:
            raise refused("analysis", ", ".join(METRICS), analysis)
        conditions = recording.conditions
        if conditions is None:
            raise refused("recording", "one whose condition set is known", "none: Recording.open(path, conditions=…)")
        self.recording, self.analysis, self.epoch = recording, analysis, epoch
        self.stimuli = Stimuli(conditions) if stimuli is None else stimuli
        self.region, self.number_of_trials, self.format = region, number_of_trials, format
        self.settings = settings
        self._known: Any = None
        super().__init__(
            identifier=f"Rajalingham2025.{region}.{epoch}-{analysis}",
            ceiling=None,
            version=1,
            parent="neural",
            bibtex=BIBTEX,
        )

    @property
    def ceiling(self) -> Any:
        """The other half of the neurons in the model's place, through the same path, as a ``Score``."""
        if self._known is None:
            self._known = Score(self._found(self._study({}))[1])
        return self._known

    @property
    def time_bins(self) -> list[tuple[float, float]]:
        """The recording's bins from motion onset to the end of the longest condition, milliseconds."""
        bin_ms = self.recording.bin_ms
        longest = (int(self.stimuli.n_frames.max()) - 1) * 1000.0 / self.stimuli.rate_hz
        return [(k * bin_ms, (k + 1) * bin_ms) for k in range(math.ceil(longest / bin_ms))]

    def __call__(self, candidate: Any) -> Any:
        """Show the stimuli to a model and score what it gives.

        Parameters
        ----------
        candidate : BrainModel
            With ``start_recording`` and ``look_at``.

        Returns
        -------
        Score
            1 where the model is as good as the other half of the neurons.

        Raises
        ------
        Error
            For an assembly that is not of these stimuli.
        """
        candidate.start_recording(self.region, time_bins=self.time_bins)
        with tempfile.TemporaryDirectory(prefix="mental_pong-") as folder:
            shown = stimulus_set(self.stimuli, folder, format=self.format)
            seen = candidate.look_at(shown, number_of_trials=self.number_of_trials)
        result = self._study({"model": latents(seen, self.stimuli.set)})
        value, ceiling, low, high = self._found(result)
        self._known = Score(ceiling)
        score = Score(value / ceiling)
        score.attrs["error"] = (high - low) / 2.0 / ceiling
        score.attrs[Score.RAW_VALUES_KEY] = Score(value)
        score.attrs["ceiling"] = self._known
        score.attrs["model_identifier"] = candidate.identifier
        score.attrs["result"] = result
        return score

    def _study(self, models: Mapping[str, Latents]) -> Result:
        return evaluate(
            models,
            recording=self.recording,
            analyses=[self.analysis],
            no_models=not models,
            **self.settings,
        )

    def _found(self, result: Result) -> tuple[float, float, float, float]:
        """Value, ceiling and interval of the model, or of the first row where there is none."""
        for section in result.card["sections"]:
            for score in section["scores"]:
                of = (score["metric"], score["epoch"]) == (METRICS[self.analysis], self.epoch)
                if of and score["row"] in ("model", "oracle"):
                    numbers = (score.get(name) for name in ("value", "ceiling", "low", "high"))
                    value, ceiling, low, high = (math.nan if n is None else float(n) for n in numbers)
                    return value, ceiling, low, high
        raise refused("epoch", f"a part of the trial that {self.analysis} reports", self.epoch)
