from __future__ import annotations

import warnings

import numpy as np
import pytest

import mental_pong as mp

gymnasium = pytest.importorskip("gymnasium")
mp.gym  # makes the names known
MODES = ("SameStep", "NextStep", "Disabled")


@pytest.mark.parametrize("keywords", [{}, {"observation": "pixels", "preset": "rnn100"}, {"law": "design", "kind": "visible"}])
def test_the_checker_says_nothing(keywords: dict[str, object]) -> None:
    from gymnasium.utils.env_checker import check_env

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gymnasium.make("MentalPong-v0", **keywords)
        check_env(env.unwrapped)


def test_the_picture_is_that_of_the_trial() -> None:
    env = gymnasium.make("MentalPong-v0", render_mode="rgb_array")
    env.reset(seed=1)
    picture = env.render()
    assert picture.shape == (480, 480, 3) and picture.dtype == np.uint8


@pytest.mark.parametrize("mode", MODES)
def test_a_vector_does_what_gymnasiums_own_does_of_single_ones(mode: str) -> None:
    from gymnasium.vector import AutoresetMode, SyncVectorEnv

    n = 5
    ours = gymnasium.make_vec("MentalPong-v0", num_envs=n, autoreset_mode=mode)
    theirs = SyncVectorEnv([lambda: gymnasium.make("MentalPong-v0").unwrapped] * n, autoreset_mode=AutoresetMode(mode))
    assert ours.metadata["autoreset_mode"] == AutoresetMode(mode)
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    rng = np.random.default_rng(4)

    def same(a: object, b: object) -> None:
        assert type(a) is type(b) or isinstance(a, np.ndarray)
        if isinstance(a, dict):
            assert isinstance(b, dict) and set(a) == set(b), (set(a), set(b))
            for name in a:
                same(a[name], b[name])
        elif isinstance(a, np.ndarray) and a.dtype == object:
            for x, y in zip(a, b, strict=True):  # type: ignore[arg-type]
                assert (x is None) == (y is None)
                if x is not None:
                    assert np.array_equal(x, y)
        else:
            assert np.array_equal(a, b)  # type: ignore[arg-type]

    first, second = ours.reset(seed=11), theirs.reset(seed=11)
    same(first[0], second[0])
    same(first[1], second[1])
    ends = 0
    for _ in range(900):
        actions = rng.integers(3, size=n)
        a, b = ours.step(actions), theirs.step(actions)
        for x, y in zip(a[:4], b[:4], strict=True):
            assert np.allclose(x, y)
        same(a[4], b[4])
        ends += int(a[2].sum())
        over = a[2] | a[3]
        if mode == "Disabled" and over.any():
            a = ours.reset(options={"reset_mask": over})
            b = theirs.reset(options={"reset_mask": over})
            same(a[0], b[0])
    assert ends > 10


def test_each_environment_begins_as_its_options_say() -> None:
    envs = gymnasium.make_vec("MentalPong-v0", num_envs=3, autoreset_mode="Disabled")
    envs.reset(seed=[5, None, 5])
    _, info = envs.reset(options={"condition": [55062, 29337, 55062], "kind": "visible"})
    assert info["condition"].tolist() == [55062, 29337, 55062]
    mask = np.array([False, True, False])
    seen, info = envs.reset(options={"condition": 55062, "law": "design", "reset_mask": mask})
    assert info["condition"].tolist() == [0, 55062, 0] and info["_condition"].tolist() == mask.tolist()
    steps = 0
    over = np.zeros(3, dtype=bool)
    while not over.any():
        seen, _, over, _, info = envs.step(np.full(3, 2))
        assert (seen[:, 2] == 1).all()
        steps += 1
    # 24 frames a second of the design law end before 60 of display.
    assert over.tolist() == [False, True, False] and steps < 100
    assert seen[1, 0] == 10.0
    for wrong in ({"condition": 1}, {"kind": "hidden"}, {"law": "newton"}, {"colour": 3}):
        with pytest.raises(mp.Error):
            envs.reset(options=wrong)
    with pytest.raises(mp.Error, match="0, 1 or 2"):
        gymnasium.make_vec("MentalPong-v0", num_envs=2).step(np.array([1, 3]))


def test_arrays_are_kept_where_copies_are_not_wanted() -> None:
    envs = gymnasium.make_vec("MentalPong-v0", num_envs=4, copy=False)
    first, _ = envs.reset(seed=0)
    second = envs.step(np.ones(4, dtype=np.int64))[0]
    assert first is second
    envs = gymnasium.make_vec("MentalPong-v0", num_envs=4)
    first, _ = envs.reset(seed=0)
    kept = first.copy()
    envs.step(np.full(4, 2))
    assert np.array_equal(first, kept)
