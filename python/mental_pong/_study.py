"""Models against nulls, recordings and behaviour."""

from __future__ import annotations

import io
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from . import _native
from ._error import refused
from ._native import ConditionSet, Latents, Predictor

Progress = Callable[[str, int, int], object]
PathLike = str | os.PathLike[str]

#: Columns of :attr:`Result.scores`, by the names of the card.
SCORES = (
    "row",
    "kind",
    "analysis",
    "metric",
    "epoch",
    "target",
    "against",
    "set",
    "value",
    "low",
    "high",
    "interval",
    "unit",
    "n_conditions",
    "n_bins",
    "ceiling",
    "note",
)


class Plots:
    """Figures of a result, drawn with matplotlib; each method gives the axes."""

    def __init__(self, result: Result) -> None:
        self._result = result

    def over_time(self, quantity: str = "r_y", *, rows: Iterable[str] | None = None, ax: Any = None) -> Any:
        """How well the ball is read out around the time it is hidden, mean over splits.

        Parameters
        ----------
        quantity : str
            ``"r_x"``, ``"r_y"`` (correlations), ``"distance_deg"`` (degrees).
        rows : iterable of str, optional
            Which rows; all without it.
        ax : matplotlib.axes.Axes, optional
            Where it is drawn.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        Error
            Where the analysis ``decode`` was not done, or for a quantity that is not there.
        """
        table = self._result.table("over_time")
        known = sorted(table["quantity"].unique())
        if quantity not in known:
            raise refused("quantity", ", ".join(known), quantity)
        if ax is None:
            from matplotlib import pyplot

            ax = pyplot.figure().add_subplot()
        wanted = list(dict.fromkeys(table["row"])) if rows is None else list(rows)
        for name in wanted:
            of = table[(table["row"] == name) & (table["quantity"] == quantity)]
            ax.plot(of["t_ms_from_occlusion"], of["mean"], label=name)
        ax.axvline(0.0, color="0.7", linewidth=1.0, zorder=0)
        ax.set_xlabel("ms from when the ball is hidden")
        ax.set_ylabel(quantity)
        ax.legend(frameon=False)
        return ax


class Result:
    """What a study found: the card, its numbers, tables, figures and page.

    Attributes
    ----------
    plot : Plots
        Figures.
    """

    def __init__(self, study: _native.Study) -> None:
        self._study = study
        self.plot = Plots(self)

    @property
    def card_json(self) -> str:
        """The text of ``card.json``: byte for byte what ``mpong eval`` writes of the same inputs."""
        return self._study.file("card.json")

    @property
    def card(self) -> dict[str, Any]:
        """The card: everything found, and everything needed to judge and repeat it."""
        card: dict[str, Any] = json.loads(self.card_json)
        return card

    @property
    def passed(self) -> bool:
        """Whether every validity check said yes."""
        return self._study.passed

    @property
    def answer(self) -> list[str]:
        """The answer in sentences, made from the tests; the first alone is enough."""
        return list(self.card["answer"])

    @property
    def scores(self) -> Any:
        """A row a number, as a ``pandas.DataFrame`` with the names of the card.

        ``row``, ``kind``, ``analysis``, ``metric``, ``epoch``, ``target``, ``against`` and ``set`` name a number; ``value``
        is in ``unit``, between ``low`` and ``high`` by ``interval`` (NaN without one), and not above ``ceiling`` (NaN where
        there is none).
        """
        import pandas

        table = pandas.DataFrame(self._study.scores()).reindex(columns=list(SCORES))
        for name in ("value", "low", "high", "ceiling"):
            table[name] = table[name].astype("float64")
        for name in ("n_conditions", "n_bins"):
            table[name] = table[name].astype("Int64")
        for name in ("against", "set", "note"):
            table[name] = table[name].where(table[name].notna(), "")
        return table

    @property
    def tables(self) -> list[str]:
        """Names of the tables."""
        files = self._study.files
        return [f.removeprefix("tables/").removesuffix(".csv") for f in files if f.startswith("tables/")]

    def table(self, name: str) -> Any:
        """A table of the report as a ``pandas.DataFrame``.

        Parameters
        ----------
        name : str
            One of :attr:`tables`.

        Raises
        ------
        Error
            Naming the tables there are.
        """
        if name not in self.tables:
            raise refused("table", f"one of {', '.join(self.tables)}", name)
        import pandas

        return pandas.read_csv(io.StringIO(self._study.file(f"tables/{name}.csv")))

    def to_xarray(self) -> Any:
        """The scores as an ``xarray.Dataset`` with the axis ``score``; what names a score are its coordinates."""
        import xarray

        table = self.scores
        numbers = ("value", "low", "high", "ceiling")
        data = {name: ("score", table[name].to_numpy()) for name in numbers}
        for name in ("n_conditions", "n_bins"):
            data[name] = ("score", table[name].astype("float64").to_numpy())
        names = [name for name in SCORES if name not in data]
        coords = {name: ("score", table[name].to_numpy(dtype=str)) for name in names}
        return xarray.Dataset(data, coords=coords, attrs={"answer": " ".join(self.answer)})

    def report(self, folder: PathLike) -> Path:
        """Write the card, the page, tables and figures below a folder and give the page's path.

        Parameters
        ----------
        folder : path
            Made where it is not there.

        Raises
        ------
        Error
            Naming the file that cannot be written.
        """
        self._study.write(folder)
        return Path(folder) / "report.html"

    def _repr_html_(self) -> str:
        lines = "".join(f"<p>{_escaped(line)}</p>" for line in self.answer)
        try:
            scores = self.scores
        except ImportError:
            return lines
        shown = scores[["row", "analysis", "metric", "epoch", "target", "value", "low", "high", "unit"]]
        html: str = shown.to_html(index=False, max_rows=20, border=0, float_format="{:.3f}".format)
        return lines + html

    def __repr__(self) -> str:
        card = self.card
        numbers = sum(len(section["scores"]) for section in card["sections"])
        answer = card["answer"][0] if card["answer"] else card["data_statement"]
        return f"<Result: {len(card['rows'])} rows, {numbers} scores. {answer}>"


def _escaped(text: str) -> str:
    import html

    return html.escape(text)


def _tables(what: str, given: Any, folder: str) -> list[tuple[str, PathLike]]:
    """Behaviour by the files that the library reads."""
    if given is None:
        return []
    if not isinstance(given, Mapping):
        name = Path(given).stem if isinstance(given, str | os.PathLike) else what
        given = {name: given}
    out: list[tuple[str, PathLike]] = []
    for name, table in given.items():
        if hasattr(table, "to_csv"):
            path = os.path.join(folder, f"{name}.csv")
            table.to_csv(path, index=False)
            out.append((name, path))
        elif isinstance(table, str | os.PathLike):
            out.append((name, table))
        else:
            raise refused(f"{what}, {name}", "a DataFrame or a file", type(table).__name__)
    return out


def evaluate(
    models: Mapping[str, Latents | PathLike] | Iterable[str] | None = None,
    *,
    recording: _native.Recording | PathLike | None = None,
    other_recording: _native.Recording | PathLike | None = None,
    behavior: Any = None,
    columns: str | None = None,
    allow_missing: bool = False,
    attributes: Any = None,
    contact: PathLike | None = None,
    conditions: Any = None,
    ids: Iterable[object] = (),
    analyses: Iterable[str] = (),
    named: Iterable[str] = (),
    no_models: bool = False,
    cache: PathLike | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> Result:
    """Hold models against what needs no simulation, against recordings and against behaviour.

    It is ``mpong eval`` of the same inputs. What is at hand stands in the card as the file that it would be written to, so
    that the card can be verified: latents by the sha256 of the ``NAME.npz`` that :meth:`Latents.write` writes, tables by that
    of ``NAME.csv``, a :class:`Recording` by that of its ``path``, with the way it was opened.

    Parameters
    ----------
    models : mapping of str to Latents or path, or iterable of str
        Latents by the names that the tables have for them, or names of predictors. Without any the bundled models.
    recording, other_recording : Recording or path, optional
        The recording, and one of another animal on the same conditions, opened in the same way.
    behavior : DataFrame, path, or mapping of str to them, optional
        Trials of people or animals.
    columns : str, optional
        Columns of the trials by role, for example ``"condition=py_meta_index"``.
    allow_missing : bool
        Whether trials may be of few of the conditions, and those of others are left out.
    attributes : DataFrame or path, optional
        Attributes of rows.
    contact : path, optional
        Folder of object contact.
    conditions : ConditionSet, str, path or DataFrame, optional
        The set, where it is not that of the recording or the latents, or ``primate79``.
    ids : iterable of str
        Conditions of the set.
    analyses : iterable of str
        Which analyses (:func:`analyses`); all that the inputs allow without it.
    named : iterable of str
        Predictors by name beside `models`.
    no_models : bool
        No model where none is named.
    cache : path, optional
        Folder in which encoded frames are kept.
    progress : callable, optional
        Called with stage, done and total.
    **settings
        Settings of a study: ``splits``, ``train``, ``split_seed``, ``map_splits``, ``seed``, ``resamples``, ``map``, …

    Returns
    -------
    Result

    Raises
    ------
    Error
        Naming file or argument, field, what was expected and what was found; before work begins.
    KeyboardInterrupt
        Within a second of Ctrl-C.
    """
    names, latents = list(named), {}
    if isinstance(models, Mapping):
        latents = dict(models)
    elif models is not None:
        names = [*models, *names]
    for name, model in latents.items():
        if not isinstance(model, Latents | str | os.PathLike):
            raise refused(f"models, {name}", "Latents or a file", type(model).__name__)
    if any(isinstance(name, Predictor) for name in names):
        raise refused("models", "names", "a Predictor; evaluate({name: predictor.latents(conditions)})")
    if conditions is None and recording is None:
        conditions = _common(latents.values())
    if isinstance(conditions, str | os.PathLike):
        conditions = os.fspath(conditions)
    elif conditions is not None:
        conditions = ConditionSet(conditions)
    with tempfile.TemporaryDirectory(prefix="mental_pong-") as folder:
        of_rows = _tables("attributes", attributes, folder)
        given = {
            "conditions": conditions,
            "ids": [str(i) for i in ids],
            "models": names,
            "no_models": no_models,
            "columns": columns,
            "allow_missing": allow_missing,
            "recording": recording,
            "other_recording": other_recording,
            "latents": list(latents.items()),
            "behavior": _tables("behavior", behavior, folder),
            "attributes": of_rows[0][1] if of_rows else None,
            "contact": contact,
        }
        config = {"analyses": list(analyses), **settings}
        return Result(_native.evaluate(given, config, cache=cache, progress=progress))


def _common(models: Iterable[Any]) -> ConditionSet | None:
    """The set of latents that are not of the set a study takes by itself."""
    sets = [given.set for given in models if isinstance(given, Latents) and given.set is not None]
    return sets[0] if sets and sets[0] != ConditionSet("primate79") else None
