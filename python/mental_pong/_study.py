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
from ._error import Error
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
            raise Error(
                f"quantity: expected {', '.join(known)}, found {quantity}",
                field="quantity",
                expected=", ".join(known),
                found=quantity,
            )
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

        Raises
        ------
        Error
            Naming the tables there are.
        """
        if name not in self.tables:
            expected = ", ".join(self.tables)
            raise Error(f"table: expected one of {expected}, found {name}", field="table", expected=expected, found=name)
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


def _written(name: str, given: Any, folder: str) -> tuple[str, PathLike]:
    """A model by the file that the library reads."""
    if isinstance(given, Latents):
        if given.source is not None:
            return name, given.source
        path = os.path.join(folder, f"{name}.npz")
        given.write(path)
        return name, path
    if isinstance(given, str | os.PathLike):
        return name, given
    raise Error(
        f"models: expected Latents or a file for {name}, found {type(given).__name__}",
        field=f"models, {name}",
        expected="Latents or a file",
        found=type(given).__name__,
    )


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
            raise Error(
                f"{what}: expected a DataFrame or a file for {name}, found {type(table).__name__}",
                field=f"{what}, {name}",
                expected="a DataFrame or a file",
                found=type(table).__name__,
            )
    return out


def _asked(conditions: Any, ids: Iterable[object], folder: str) -> tuple[str | None, list[str]]:
    """A set by the name or file that the library opens, and the ids that narrow it."""
    if conditions is None:
        return None, [str(i) for i in ids]
    if isinstance(conditions, str | os.PathLike):
        return os.fspath(conditions), [str(i) for i in ids]
    made = conditions if isinstance(conditions, ConditionSet) else ConditionSet(conditions)
    wanted = [str(i) for i in ids] or made.narrowed_to or []
    if made.spec is not None:
        return made.spec, wanted
    path = os.path.join(folder, f"{made.name}.csv")
    Path(path).write_bytes(made.csv or b"")
    return path, wanted


def evaluate(
    models: Mapping[str, Latents | PathLike] | Iterable[str] | None = None,
    *,
    recording: _native.Recording | PathLike | None = None,
    other_recording: _native.Recording | PathLike | None = None,
    behavior: Any = None,
    columns: str | None = None,
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

    It is ``mpong eval`` of the same inputs. What is at hand is read as the file that it would be written to, so that a card
    can be verified: latents as ``NAME.npz`` (:meth:`Latents.write`), tables as ``NAME.csv``.

    Parameters
    ----------
    models : mapping of str to Latents or path, or iterable of str
        Latents by the names that the tables have for them, or names of predictors. Without any the bundled models.
    recording, other_recording : Recording or path, optional
        The recording, and one of another animal on the same conditions.
    behavior : DataFrame, path, or mapping of str to them, optional
        Trials of people or animals.
    columns : str, optional
        Columns of the trials by role, for example ``"condition=py_meta_index"``.
    attributes : DataFrame or path, optional
        Attributes of rows.
    contact : path, optional
        Folder of object contact.
    conditions : ConditionSet, str, path or DataFrame, optional
        The set, where it is not what the recording says, or ``primate79``.
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
    with tempfile.TemporaryDirectory(prefix="mental_pong-") as folder:
        names = list(named)
        latents: list[tuple[str, PathLike]] = []
        if isinstance(models, Mapping):
            latents = [_written(name, given, folder) for name, given in models.items()]
        elif models is not None:
            names = [*models, *names]
        if any(isinstance(name, Predictor) for name in names):
            raise Error(
                "models: expected names, found a Predictor; evaluate({name: predictor.latents(conditions)})",
                field="models",
                expected="names",
                found="Predictor",
            )
        if conditions is None and recording is None:
            conditions = _common(models)
        spec, wanted = _asked(conditions, ids, folder)

        def path(given: _native.Recording | PathLike | None) -> PathLike | None:
            return given.path if isinstance(given, _native.Recording) else given

        of_rows = _tables("attributes", attributes, folder)
        files = {
            "conditions": spec,
            "ids": wanted,
            "models": names,
            "no_models": no_models,
            "columns": columns,
            "recording": path(recording),
            "other_recording": path(other_recording),
            "latents": latents,
            "behavior": _tables("behavior", behavior, folder),
            "attributes": of_rows[0][1] if of_rows else None,
            "contact": contact,
        }
        config = {"analyses": list(analyses), **settings}
        return Result(_native.evaluate(files, config, cache=cache, progress=progress))


def _common(models: Any) -> ConditionSet | None:
    """The set of latents that are not of the set a study takes by itself."""
    if not isinstance(models, Mapping):
        return None
    sets = [given.set for given in models.values() if isinstance(given, Latents) and given.set is not None]
    if not sets:
        return None
    first = sets[0]
    plain = ConditionSet("primate79")
    return None if first == plain else first
