"""The task as environments of Gymnasium.

With ``import mental_pong.gym`` there are ``gymnasium.make("MentalPong-v0")`` and
``gymnasium.make_vec("MentalPong-v0", num_envs=1024)``. A step is a frame of the
law of motion. Actions: 0 moves the paddle down, 1 leaves it, 2 moves it up. State observations are ``[ball x, ball y,
seen, paddle y]`` float32, degrees; a ball that is not seen has x and y 0. A trial ends, ``terminated``, in the step in
which the ball arrives; it is never truncated. ``info`` has ``condition`` at the beginning of a trial and ``condition``,
``hit`` and ``error_deg`` (paddle minus ball, degrees) at its end.

Options of ``reset``: ``condition`` (an id; of a vector one for each environment that is reset), ``kind`` (``"occluded"``
or ``"visible"``) and ``law`` (``"design"`` or ``"display"``); kind and law hold until they are said again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.envs.registration import register, registry
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from ._error import refused
from ._native import ConditionSet, Environment

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["MentalPong", "MentalPongVector"]

if "MentalPong-v0" not in registry:
    register(
        id="MentalPong-v0",
        entry_point="mental_pong.gym:MentalPong",
        vector_entry_point="mental_pong.gym:MentalPongVector",
    )

Kind = Literal["occluded", "visible"]
Observation = Literal["state", "pixels"]
#: Preset of ``render``.
_SHOWN = "display"
_LOW = np.array([-10.0, -10.0, 0.0, -10.0], dtype=np.float32)
_HIGH = np.array([10.0, 10.0, 1.0, 10.0], dtype=np.float32)
_OPTIONS = ("condition", "kind", "law", "reset_mask")


def _kind(kind: Any) -> bool:
    if kind not in ("occluded", "visible"):
        raise refused("kind", "occluded or visible", kind)
    return bool(kind == "occluded")


def _options(options: Mapping[str, Any] | None) -> dict[str, Any]:
    given = dict(options or {})
    for name in given:
        if name not in _OPTIONS:
            raise refused("options", ", ".join(_OPTIONS), name)
    return given


class Task(TypedDict, total=False):
    """What an environment is made with beside its conditions; see :class:`MentalPong`."""

    law: str
    kind: Kind
    reward: str
    still_frames: int
    observation: Observation
    preset: str


class _Trials:
    """What both environments are made of: the trials, and what is seen of them."""

    def __init__(self, conditions: ConditionSet | str, n: int, autoreset: AutoresetMode, task: Task) -> None:
        known: set[str] = set(Task.__annotations__)
        for name in task:
            if name not in known:
                raise refused("MentalPong", ", ".join(sorted(known)), name)
        self.env = Environment(
            conditions,
            n,
            law=task.get("law", "display"),
            occluded=_kind(task.get("kind", "occluded")),
            reward=task.get("reward", "hit"),
            still_frames=task.get("still_frames", 18),
            autoreset=autoreset.value,
        )
        observation = task.get("observation", "state")
        if observation not in ("state", "pixels"):
            raise refused("observation", "state or pixels", observation)
        self.preset = task.get("preset", "model224") if observation == "pixels" else None
        self.space: spaces.Box = spaces.Box(_LOW, _HIGH, dtype=np.float32)
        if self.preset is not None:
            self.space = spaces.Box(0, 255, shape=self.env.pixels(self.preset).shape[1:], dtype=np.uint8)


class MentalPong(gymnasium.Env[npt.NDArray[Any], np.int64]):
    """One trial after the other.

    Parameters
    ----------
    conditions : ConditionSet, str or path
        What a trial is drawn from: starts in the published field.
    law : {"display", "design"}
        The law of motion; a step is a frame of it (60 and 24 a second).
    kind : {"occluded", "visible"}
        Whether the ball is unseen from x = 5°.
    reward : {"hit", "closeness"}
        1 for a hit, or minus the distance of ball and paddle (degrees), when the ball arrives.
    still_frames : int
        Frames of the still ball before it moves.
    observation : {"state", "pixels"}
        What is observed.
    preset : {"model224", "rnn100", "display"}
        Kind of picture of pixel observations.
    render_mode : {"rgb_array"}, optional
        What ``render`` gives: 480 × 480 × 3 uint8.

    Raises
    ------
    Error
        For a condition or a setting that cannot be.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 60}

    def __init__(
        self,
        conditions: ConditionSet | str = "primate79",
        *,
        render_mode: str | None = None,
        **task: Unpack[Task],
    ) -> None:
        self.render_mode = render_mode
        trials = _Trials(conditions, 1, AutoresetMode.DISABLED, task)
        self._env, self._preset = trials.env, trials.preset
        self.observation_space = trials.space
        self.action_space = spaces.Discrete(3)
        self._actions = np.zeros(1, dtype=np.int64)
        self._seeded = False

    def _observed(self) -> npt.NDArray[Any]:
        if self._preset is None:
            return self._env.observations[:1].copy().reshape(-1)
        picture: npt.NDArray[np.uint8] = self._env.pixels(self._preset)[0]
        return picture

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[npt.NDArray[Any], dict[str, Any]]:
        """Begin a trial; see the module for the options."""
        super().reset(seed=seed)
        given = _options(options)
        if seed is None and not self._seeded:
            seed = int(self.np_random.integers(2**63))
        self._seeded = True
        condition = given.get("condition")
        self._env.reset(
            [0],
            seeds=[seed],
            conditions=None if condition is None else [int(condition)],
            occluded=_kind(given["kind"]) if "kind" in given else None,
            law=given.get("law"),
        )
        return self._observed(), {"condition": int(self._env.condition_ids[0])}

    def step(
        self, action: np.int64 | int
    ) -> tuple[npt.NDArray[Any], float, bool, bool, dict[str, Any]]:
        """Hold an action for a frame."""
        self._actions[0] = action
        info: dict[str, Any] = {}
        if (ended := self._env.step(self._actions)) is not None:
            _, condition, hit, error_deg = ended
            info = {"condition": int(condition[0]), "hit": bool(hit[0]), "error_deg": float(error_deg[0])}
        env = self._env
        return self._observed(), float(env.rewards[0]), bool(env.terminated[0]), False, info

    def render(self) -> npt.NDArray[np.uint8] | None:
        """The trial as a person sees it, ``[y, x, channel]`` uint8."""
        if self.render_mode is None:
            return None
        picture: npt.NDArray[np.uint8] = self._env.pixels(_SHOWN)[0]
        return picture


class MentalPongVector(VectorEnv[npt.NDArray[Any], npt.NDArray[np.int64], npt.NDArray[Any]]):
    """Many trials side by side, in one call.

    An environment with a seed does the same as :class:`MentalPong` with that seed, whatever stands beside it.

    Parameters
    ----------
    num_envs : int
        How many.
    conditions, law, kind, reward, still_frames, observation, preset, render_mode
        As :class:`MentalPong` has them.
    autoreset_mode : AutoresetMode or str
        ``SAME_STEP`` (an environment whose trial ended shows the first frame of its next one; what it showed last is in
        ``info["final_obs"]`` and ``info["final_info"]``), ``NEXT_STEP``, or ``DISABLED`` (``options["reset_mask"]``).
    copy : bool
        Without it observations, rewards and ends are the same arrays in each step, which the next one overwrites.

    Raises
    ------
    Error
        For a condition or a setting that cannot be.
    """

    def __init__(
        self,
        num_envs: int = 1,
        conditions: ConditionSet | str = "primate79",
        *,
        render_mode: str | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        copy: bool = True,
        **task: Unpack[Task],
    ) -> None:
        super().__init__()
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {
            "render_modes": ["rgb_array"],
            "render_fps": 60,
            "autoreset_mode": self.autoreset_mode,
        }
        self.render_mode = render_mode
        self.num_envs = num_envs
        self.copy = copy
        trials = _Trials(conditions, num_envs, self.autoreset_mode, task)
        self._env, self._preset = trials.env, trials.preset
        self.single_observation_space = trials.space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.single_action_space = spaces.Discrete(3)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._observations = self._env.observations
        self._rewards = self._env.rewards
        self._terminated = self._env.terminated
        self._truncated = np.zeros(num_envs, dtype=np.bool_)
        self._over = np.zeros(num_envs, dtype=np.bool_)
        self._seeded = False

    def _observed(self) -> npt.NDArray[Any]:
        if self._preset is not None:
            return self._env.pixels(self._preset)
        return self._observations.copy() if self.copy else self._observations

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[npt.NDArray[Any], dict[str, Any]]:
        """Begin a trial in every environment, or in those of ``options["reset_mask"]``.

        Parameters
        ----------
        seed : int or sequence of int, optional
            Environment i has ``seed + i``, or the i-th.
        options : dict, optional
            See the module.
        """
        given = _options(options)
        mask = given.get("reset_mask")
        if mask is None:
            places = list(range(self.num_envs))
        else:
            if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != (self.num_envs,):
                raise refused("reset_mask", f"a bool array [{self.num_envs}]", repr(mask))
            places = np.flatnonzero(mask).tolist()
        if seed is None and not self._seeded:
            seed = int(np.random.default_rng().integers(2**62))
        self._seeded = True
        if seed is None:
            seeds: list[int | None] = [None] * self.num_envs
        elif isinstance(seed, int | np.integer):
            seeds = [int(seed) + place for place in range(self.num_envs)]
        else:
            seeds = [None if s is None else int(s) for s in seed]
            if len(seeds) != self.num_envs:
                raise refused("seed", f"{self.num_envs}, one for each environment", len(seeds))
        conditions: list[int | None] | None = None
        if given.get("condition") is not None:
            wanted = np.broadcast_to(np.asarray(given["condition"], dtype=np.int64), len(places))
            conditions = [int(c) for c in wanted]
        self._env.reset(
            places,
            seeds=[seeds[place] for place in places],
            conditions=conditions,
            occluded=_kind(given["kind"]) if "kind" in given else None,
            law=given.get("law"),
        )
        begun = np.zeros(self.num_envs, dtype=np.bool_)
        begun[places] = True
        self._over = self._over & ~begun
        info = {"condition": np.where(begun, self._env.condition_ids, 0), "_condition": begun}
        return self._observed(), info

    def step(
        self, actions: npt.NDArray[np.int64]
    ) -> tuple[
        npt.NDArray[Any],
        npt.NDArray[Any],
        npt.NDArray[Any],
        npt.NDArray[Any],
        dict[str, Any],
    ]:
        """Hold an action in each environment for a frame."""
        ended = self._env.step(np.asarray(actions, dtype=np.int64))
        info = {} if ended is None else self._ended(*ended)
        if self.autoreset_mode == AutoresetMode.NEXT_STEP:
            info = self._begun(info)
            self._over = self._terminated.copy()
        if self.copy:
            rewards, over, cut = self._rewards.copy(), self._terminated.copy(), self._truncated.copy()
        else:
            rewards, over, cut = self._rewards, self._terminated, self._truncated
        return self._observed(), rewards, over, cut, info

    def _begun(self, info: dict[str, Any]) -> dict[str, Any]:
        """With the conditions of trials that this step began."""
        begun = self._over
        if not begun.any():
            return info
        condition = np.where(begun, self._env.condition_ids, info.get("condition", 0))
        mask = begun | info.get("_condition", False)
        return {**info, "condition": condition, "_condition": mask}

    def _ended(
        self,
        mask: npt.NDArray[np.bool_],
        condition: npt.NDArray[np.int64],
        hit: npt.NDArray[np.bool_],
        error: npt.NDArray[np.float64],
    ) -> dict[str, Any]:
        about = {
            "condition": condition,
            "_condition": mask,
            "hit": hit,
            "_hit": mask,
            "error_deg": error,
            "_error_deg": mask,
        }
        if self.autoreset_mode != AutoresetMode.SAME_STEP:
            return about
        final = np.full(self.num_envs, None, dtype=object)
        last = self._env.finals
        for place in mask.nonzero()[0]:
            final[place] = last[place].copy()
        begun = np.where(mask, self._env.condition_ids, 0)
        return {
            "final_obs": final,
            "_final_obs": mask,
            "final_info": about,
            "_final_info": mask,
            "condition": begun,
            "_condition": mask,
        }

    def render(self) -> tuple[npt.NDArray[np.uint8], ...] | None:
        """Each trial as a person sees it, ``[y, x, channel]`` uint8."""
        if self.render_mode is None:
            return None
        return tuple(self._env.pixels(_SHOWN))
