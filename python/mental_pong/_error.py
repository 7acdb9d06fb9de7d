"""The exception of this package."""

from __future__ import annotations

from functools import partial
from typing import Any


class Error(ValueError):
    """An argument or a file is not what it has to be.

    Parameters
    ----------
    message : str
        What is wrong, in a sentence.
    file : str or None
        The file, or the argument in its place.
    field : str or None
        What of it: an array, a column, a condition, an argument.
    expected, found : str or None
        What was needed and what was there.
    """

    file: str | None
    field: str | None
    expected: str | None
    found: str | None

    def __init__(
        self,
        message: str = "",
        *,
        file: str | None = None,
        field: str | None = None,
        expected: str | None = None,
        found: str | None = None,
    ) -> None:
        super().__init__(message)
        self.file = file
        self.field = field
        self.expected = expected
        self.found = found

    def __reduce__(self) -> tuple[Any, ...]:
        about = {name: getattr(self, name) for name in ("file", "field", "expected", "found")}
        return partial(type(self), **about), self.args


Error.__module__ = "mental_pong"


def refused(field: str, expected: str, found: object, *, file: str | None = None) -> Error:
    """The error of an argument, or of a `file`, that is not what it has to be."""
    place = field if file is None else f"{file}: {field}"
    message = f"{place}: expected {expected}, found {found}"
    return Error(message, file=file, field=field, expected=expected, found=str(found))


def shaped(field: str, expected: str, shape: tuple[int, ...]) -> Error:
    """The error of an array of another shape."""
    return refused(field, expected, list(shape))
