"""What pickled objects are made from again."""

from __future__ import annotations

from ._native import ConditionSet, Stimuli


def condition_set(
    origin: str | bytes, ids: list[str] | None, law: str | None, name: str | None
) -> ConditionSet:
    return ConditionSet(origin, ids=ids, law=law, name=name)


def stimuli(
    conditions: ConditionSet,
    preset: str,
    law: str | None,
    occlusion: str,
    rate_hz: float | None,
    size_px: int | None,
) -> Stimuli:
    return Stimuli(
        conditions, preset=preset, law=law, occlusion=occlusion, rate_hz=rate_hz, size_px=size_px
    )
