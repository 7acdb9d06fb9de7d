"""The Mental-Pong task, its stimuli, latent future predictors, and their evaluation.

Everything here is the same code as the command line ``mpong``, on NumPy's arrays. Angles are degrees of visual angle
with the origin in the field's centre, x right and y up; times are milliseconds from motion onset (frame 0, the last with
the ball at rest, is 0 ms).

What is wrong with an argument or a file is said by :class:`Error`, before work begins. Long calls let other threads
run, end within a second of Ctrl-C, and tell ``progress(stage, done, total)`` how far they are.

Examples
--------
>>> import mental_pong as mp
>>> conditions = mp.ConditionSet("primate79")
>>> len(conditions), conditions.ids[:2]
(79, ['29337', '55062'])
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._error import Error
from ._native import (
    ConditionSet,
    Latents,
    Predictor,
    Stimuli,
    Stimulus,
    __version__,
    analyses,
    predictor_names,
    splits,
    trajectory,
)
from ._models import encode, forecast
from ._recordings import Recording, simulate
from ._study import Result, evaluate
from .records import Records, play

if TYPE_CHECKING:
    from . import brainscore as brainscore
    from . import gym as gym
    from . import records as records
    from . import torch as torch

__all__ = [
    "ConditionSet",
    "Error",
    "Latents",
    "Predictor",
    "Recording",
    "Records",
    "Result",
    "Stimuli",
    "Stimulus",
    "__version__",
    "analyses",
    "encode",
    "evaluate",
    "forecast",
    "play",
    "predictor_names",
    "simulate",
    "splits",
    "trajectory",
]

#: Parts that need a package of their own, imported when they are asked for.
_PARTS = ("brainscore", "gym", "torch")


def __getattr__(name: str) -> Any:
    if name in _PARTS:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_PARTS])
