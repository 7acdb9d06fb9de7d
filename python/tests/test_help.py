"""What ``help()`` shows: every public thing says what it is, and every argument is named with its meaning."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import pytest

import mental_pong as mp
from mental_pong import _native


def public() -> Iterator[tuple[str, object]]:
    for name in mp.__all__:
        if name == "__version__":
            continue
        thing = getattr(mp, name)
        yield name, thing
        if inspect.isclass(thing) and not issubclass(thing, Exception):
            for member in sorted(vars(thing)):
                if not member.startswith("_"):
                    yield f"{name}.{member}", inspect.getattr_static(thing, member)
    for member in sorted(vars(_native.Environment)):
        if not member.startswith("_"):
            yield f"Environment.{member}", inspect.getattr_static(_native.Environment, member)


THINGS = dict(public())


@pytest.mark.parametrize("name", THINGS)
def test_it_says_what_it_is_and_what_it_takes(name: str) -> None:
    thing = THINGS[name]
    if isinstance(thing, classmethod | staticmethod):
        thing = thing.__func__
    text = inspect.getdoc(thing)
    assert text and text.strip(), name
    if not callable(thing) or isinstance(thing, property):
        return
    try:
        signature = inspect.signature(thing)
    except ValueError:  # a class that is made by others
        return
    taken = [p for p in signature.parameters if p not in ("self", "cls", "_cls")]
    if name in ("Study", "Stimulus", "Result"):
        taken = []
    if not taken:
        return
    # What a tuple of values takes is what it has.
    heading = "Attributes\n----------" if name == "Records" else "Parameters\n----------"
    assert heading in text, name
    section = text.split(heading, 1)[1]
    named = {n.strip().lstrip("*") for line in re.findall(r"^(\S.*?) ?(?::|$)", section, re.MULTILINE) for n in line.split(",")}
    assert not set(taken) - named, (name, set(taken) - named)
