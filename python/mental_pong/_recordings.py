"""Recordings of one's own and simulated ones."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import _native
from ._arrays import plain
from ._error import refused
from ._native import ConditionSet

if TYPE_CHECKING:
    from typing_extensions import Self

Progress = Callable[[str, int, int], object]
Path = str | os.PathLike[str]


class Recording(_native.Recording):
    """Trial-averaged responses ``[unit, condition, bin]`` of a population, and what they are of.

    Parameters
    ----------
    responses : array, shape (unit, condition, bin)
        Mean over trials, in `response_unit`. For a recording in a file see :meth:`open`.
    ids : iterable of str
        Id of each condition within `conditions`.
    conditions : ConditionSet, str or path
        The set that the ids are of.
    halves : pair of arrays, optional
        The same of two halves of the trials; without them no reliability can be said.
    bin_ms, first_bin_ms : float
        Length of a bin, and left edge of bin 0, milliseconds from motion onset.
    response_unit : {"spikes/ms", "Hz", "spikes/bin"}
        Unit of the responses.
    behavior : mapping of str to array, optional
        ``[condition, bin]`` each.
    synthetic : bool
        Whether the data are invented; every output says so then.

    Raises
    ------
    Error
        Naming the array, what was expected and what was found.
    """

    def __new__(
        cls,
        responses: Any,
        ids: Iterable[object],
        *,
        conditions: ConditionSet | Path,
        halves: tuple[Any, Any] | None = None,
        bin_ms: float = 50.0,
        first_bin_ms: float = -300.0,
        response_unit: str = "spikes/ms",
        behavior: Mapping[str, Any] | None = None,
        synthetic: bool = False,
    ) -> Self:
        arrays: dict[str, npt.NDArray[Any]] = {
            "responses": plain(responses).astype(np.float64, copy=False),
            "condition_ids": np.array([str(i) for i in ids]),
            "bin_ms": np.array(bin_ms),
            "first_bin_ms": np.array(first_bin_ms),
            "response_unit": np.array(response_unit),
        }
        if halves is not None:
            arrays["responses_sh1"], arrays["responses_sh2"] = (
                plain(half).astype(np.float64, copy=False) for half in halves
            )
        for name, values in (behavior or {}).items():
            arrays[f"behavior/{name}"] = plain(values).astype(np.float64, copy=False)
        if synthetic:
            arrays["synthetic"] = np.array(True)
        folder = tempfile.mkdtemp(prefix="mental_pong-")
        path = os.path.join(folder, "recording.npz")
        try:
            np.savez(path, **arrays)  # type: ignore[arg-type]  # its stubs take the names for `allow_pickle`
            made = super().__new__(cls, path, conditions=conditions)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        # The file is what is evaluated, and goes with the object.
        weakref.finalize(made, shutil.rmtree, folder, ignore_errors=True)
        return made

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        conditions: ConditionSet | Path | None = None,
        mapping: Mapping[str, Any] | Path | None = None,
        missing: str = "refuse",
        rebin_ms: float | None = None,
        response_unit: str | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Open a file or folder of any format that is read, as data.

        Parameters
        ----------
        path : path
            pickle, MAT, NWB, npz, NetCDF, Parquet, or a folder of ``mpong recordings convert``.
        conditions : ConditionSet, str or path, optional
            Whose conditions they are; needed where the file does not say, checked where it does.
        mapping : mapping or path, optional
            Names and values that the file does not have as they are asked for: the entries of ``mpong recordings
            mapping --example``, or the path of such a file.
        missing : {"refuse", "drop-units", "drop-conditions", "impute"}
            What becomes of units and conditions without responses.
        rebin_ms : float, optional
            Length of the bins to bring it to: a whole multiple of its own.
        response_unit : {"spikes/ms", "Hz", "spikes/bin"}, optional
            Where a laboratory's own arrays do not say it.
        progress : callable, optional
            Called with stage, done and total.

        Raises
        ------
        Error
            Naming file and field.
        """
        return super().__new__(
            cls,
            path,
            conditions=conditions,
            mapping=dict(mapping) if isinstance(mapping, Mapping) else mapping,
            missing=missing,
            rebin_ms=rebin_ms,
            response_unit=response_unit,
            progress=progress,
        )

    def to_xarray(self, trials: str = "occ", *, population: str | int = "all") -> Any:
        """The responses of a kind as an ``xarray.Dataset`` with the axes ``unit``, ``condition`` and ``bin``.

        Parameters
        ----------
        trials : {"occ", "vis"}
            Which trials.
        population : {"all", "reliable"} or int
            All units, the reliable ones, or so many factors.

        Raises
        ------
        Error
            Where the recording has no such responses.
        """
        import xarray

        data = {}
        for of, which, half in self.available:
            if of == trials and which == str(population):
                name = "responses" if half == "full" else f"responses_{half}"
                values = self.responses(trials, population=population, half=half)
                data[name] = (("unit", "condition", "bin"), values)
        if not data:
            found = ", ".join("/".join(kind) for kind in self.available)
            raise refused("responses", f"{trials}/{population}", f"only {found}")
        n_bins = next(iter(data.values()))[1].shape[2]
        middle = self.first_bin_ms + (np.arange(n_bins) + 0.5) * self.bin_ms
        coords: dict[str, Any] = {"time_ms": ("bin", middle)}
        if self.ids is not None:
            coords["condition"] = self.ids
        about = {"set_name": self.set_name or "", "set_sha256": self.set_sha256 or ""}
        return xarray.Dataset(data, coords=coords, attrs=about)

    def to_nwb(self, path: Path) -> None:
        """Write the recording as a file of NWB (Neurodata Without Borders, HDF5).

        Parameters
        ----------
        path : path
            A name that ends in ``.nwb``.

        Raises
        ------
        Error
            For another ending, a file that is there already, or one that cannot be written.
        """
        if not os.fspath(path).endswith(".nwb"):
            raise refused("path", "a name that ends in .nwb", os.fspath(path))
        self.write(path)

    def to_brainscore(self, trials: str = "occ", *, half: str = "full") -> Any:
        """The mean responses as a ``NeuroidAssembly`` of Brain-Score; see :func:`mental_pong.brainscore.assembly`.

        Parameters
        ----------
        trials : {"occ", "vis"}
            Which trials.
        half : {"full", "sh1", "sh2"}
            All trials, or one of their halves.
        """
        from .brainscore import assembly

        return assembly(self, trials, half=half)

    def to_rsatoolbox(
        self,
        epoch: str = "start_end_pad0",
        trials: str = "occ",
        *,
        population: str | int = "all",
        states: bool = False,
    ) -> Any:
        """The responses within a mask as an ``rsatoolbox.data.Dataset``.

        Parameters
        ----------
        epoch : str
            Name of a mask; see :meth:`masks`.
        trials : {"occ", "vis"}
            Which trials.
        population : {"all", "reliable"} or int
            Which units, or how many factors.
        states : bool
            An observation for each condition and bin, as the analysis ``rsa`` compares them, in place of one for the mean of
            each condition.

        Returns
        -------
        rsatoolbox.data.Dataset
            ``[condition, unit]``, or ``[state, unit]`` by condition, then bin.

        Raises
        ------
        Error
            For responses or a mask that are not there.

        Notes
        -----
        The correlation of the square roots of rsatoolbox's ``euclidean`` distances between states is ``r_xy`` of the study's
        table ``rsa``, where that compares the same units in the recording's own bins; published sets are warped to steps of
        41 ms there.
        """
        from rsatoolbox.data import Dataset

        responses = self.responses(trials, population=population)
        mask = self.mask(epoch, trials)
        ids = np.array(self.ids if self.ids is not None else [str(i) for i in range(len(mask))])
        if states:
            condition, bins = np.nonzero(mask)
            values = responses[:, condition, bins].T
            observed = {"condition": ids[condition].tolist(), "bin": bins.tolist()}
        else:
            values = np.nanmean(np.where(mask[None], responses, np.nan), axis=2).T
            observed = {"condition": ids.tolist()}
        return Dataset(
            values,
            descriptors={"set": self.set_name or "", "epoch": epoch, "trials": trials},
            obs_descriptors=observed,
            channel_descriptors={"unit": list(range(values.shape[1]))},
        )


Recording.__module__ = "mental_pong"


def simulate(
    path: Path,
    conditions: ConditionSet | Path = "primate79",
    **settings: Any,
) -> Recording:
    """A simulated recording whose truth is known.

    Parameters
    ----------
    path : path
        Where it is written; its name has to say ``simulated``. The truth stands beside it as ``NAME-truth.json``.
    conditions : ConditionSet, str or path
        What was shown.
    **settings
        ``seed``, ``units``, ``untuned``, ``trials``, ``noise`` (``"poisson"`` or ``"gaussian"``), ``reliability``,
        ``reliability_spread``, ``rate_hz``, ``paddle_sd_deg``, as ``mpong recordings simulate`` has them.

    Raises
    ------
    Error
        For settings that cannot be, or a path that cannot be written.
    """
    _native.simulate(path, conditions, settings)
    return Recording.open(path, conditions=conditions)
