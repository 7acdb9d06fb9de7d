"""An agent that learns to meet the hidden ball: proximal policy optimisation (Schulman et al. 2017) in NumPy.

    python policy_gradient.py [--updates 600] [--seed 1]

It sees what the environment shows, frame by frame, and remembers where the ball was seen last, how it moved there, and how
long ago that was. Nobody tells it where the ball is behind the occluder, or that there are walls: its only reward is minus
the distance of paddle and ball when the ball arrives. It learns on the published training conditions and is tested on the
79 recorded ones, which are not among them.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd

import mental_pong as mp
import mental_pong.gym  # makes "MentalPong-v0" known

import gymnasium

HOLD = 3  # frames that an action is held: 20 decisions a second
FEATURES = 7


class Memory:
    """What an agent keeps of a trial, for each environment: the place last seen, the velocity there, and since when."""

    def __init__(self, n: int) -> None:
        self.ball, self.velocity = np.zeros((n, 2)), np.zeros((n, 2))
        self.known, self.frames = np.zeros(n, dtype=bool), np.zeros(n)

    def forget(self, over: np.ndarray) -> None:
        self.known &= ~over

    def look(self, shown: np.ndarray) -> np.ndarray:
        """Features ``[environment, FEATURES]`` of what is shown now, about unit size."""
        seen, ball = shown[:, 2] > 0, shown[:, :2]
        moved = np.where((seen & self.known)[:, None], ball - self.ball, 0.0)
        self.velocity = np.where(seen[:, None], moved, self.velocity)
        self.ball = np.where(seen[:, None], ball, self.ball)
        self.frames = np.where(seen, 0, self.frames + 1)
        self.known |= seen
        rows = [self.ball / 10, self.velocity / 0.6, self.frames / 20, shown[:, 3] / 10, seen]
        return np.column_stack(rows).astype(np.float32)


class Network:
    """Two layers of tanh; three logits and the value. Gradients by hand, steps by Adam (Kingma and Ba 2015)."""

    def __init__(self, rng: np.random.Generator, width: int = 64) -> None:
        sizes = [(FEATURES, width), (width, width), (width, 4)]
        self.w = [rng.normal(size=s) / np.sqrt(s[0]) * (1.0 if k < 2 else 0.1) for k, s in enumerate(sizes)]
        self.w = [w.astype(np.float32) for w in self.w + [np.zeros(s[1]) for s in sizes]]
        self.m, self.v, self.t = [np.zeros_like(w) for w in self.w], [np.zeros_like(w) for w in self.w], 0

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, ...]:
        """Log-probabilities of the actions, value, and both hidden layers."""
        a = np.tanh(x @ self.w[0] + self.w[3])
        b = np.tanh(a @ self.w[1] + self.w[4])
        out = b @ self.w[2] + self.w[5]
        logits = out[:, :3] - out[:, :3].max(axis=1, keepdims=True)
        return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)), out[:, 3], a, b

    def step(self, x: np.ndarray, a: np.ndarray, b: np.ndarray, slope: np.ndarray, rate: float) -> None:
        """One step against the gradient, whose slope at the outputs is ``[row, output]``."""
        at_b = slope @ self.w[2].T * (1 - b**2)
        at_a = at_b @ self.w[1].T * (1 - a**2)
        grads = [x.T @ at_a, a.T @ at_b, b.T @ slope, at_a.sum(0), at_b.sum(0), slope.sum(0)]
        size = np.sqrt(sum(float((g**2).sum()) for g in grads))
        self.t += 1
        for w, g, m, v in zip(self.w, grads, self.m, self.v, strict=True):
            g = g * min(1.0, 0.5 / (size + 1e-8))
            m += 0.1 * (g - m)
            v += 0.001 * (g**2 - v)
            w -= rate * (m / (1 - 0.9**self.t)) / (np.sqrt(v / (1 - 0.999**self.t)) + 1e-8)


def draw(log_p: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An action for each row: the largest of log-probability plus Gumbel noise."""
    return np.argmax(log_p + rng.gumbel(size=log_p.shape), axis=1)


def learn(
    network: Network, updates: int, *, n: int = 512, steps: int = 32, seed: int = 1, say: bool = True
) -> list[float]:
    """Train in place; the mean distance (degrees) of the trials that ended in each update."""
    rng = np.random.default_rng(seed)
    envs = gymnasium.make_vec("MentalPong-v0", num_envs=n, conditions="train", reward="closeness", copy=False)
    memory = Memory(n)
    x = memory.look(envs.reset(seed=seed)[0])
    told = []
    for update in range(updates):
        seen = np.empty((steps, n, FEATURES), dtype=np.float32)
        actions = np.empty((steps, n), dtype=np.int64)
        log_p, values = np.empty((steps, n)), np.empty((steps + 1, n))
        rewards, over = np.zeros((steps, n)), np.zeros((steps, n), dtype=bool)
        for k in range(steps):
            p, values[k], _, _ = network.forward(x)
            seen[k], actions[k] = x, draw(p, rng)
            log_p[k] = p[np.arange(n), actions[k]]
            for _ in range(HOLD):
                shown, reward, ended, _, _ = envs.step(actions[k])
                rewards[k] += reward
                over[k] |= ended
                memory.forget(ended)
                x = memory.look(shown)
        values[steps] = network.forward(x)[1]
        told.append(-rewards[over].mean() if over.any() else np.nan)
        # Advantages: generalised, λ = 0.95, nothing is discounted within a trial.
        rewards /= 10
        gain, advantage = np.zeros(n), np.empty((steps, n))
        for k in reversed(range(steps)):
            goes_on = ~over[k]
            gain = rewards[k] + goes_on * values[k + 1] - values[k] + 0.95 * goes_on * gain
            advantage[k] = gain
        target = (advantage + values[:-1]).ravel()
        advantage = ((advantage - advantage.mean()) / (advantage.std() + 1e-8)).ravel()
        rows = (seen.reshape(-1, FEATURES), actions.ravel(), log_p.ravel())
        rate = 1e-3 * (1 - update / updates)
        for _ in range(3):
            order = rng.permutation(steps * n)
            for part in np.array_split(order, 8):
                improve(network, *(row[part] for row in rows), advantage[part], target[part], rate)
        if say and (update + 1) % 50 == 0:
            print(f"update {update + 1}: {np.nanmean(told[-50:]):.2f}° from the ball", flush=True)
    return told


def improve(network, x, actions, before, advantage, target, rate) -> None:
    """A step on the clipped objective, the squared error of the value, and a little entropy."""
    log_p, value, a, b = network.forward(x)
    row, p = np.arange(len(x)), np.exp(log_p)
    ratio = np.exp(log_p[row, actions] - before)
    clipped = np.where(advantage > 0, ratio > 1.2, ratio < 0.8)
    weight = np.where(clipped, 0.0, ratio * advantage)
    slope = np.empty((len(x), 4), dtype=np.float32)
    slope[:, :3] = p * weight[:, None] + 0.003 * p * (log_p - (p * log_p).sum(1, keepdims=True))
    slope[row, actions] -= weight
    slope[:, 3] = value - target
    network.step(x, a, b, slope / len(x), rate)


def play(network: Network, conditions: mp.ConditionSet, trials: int = 10, seed: int = 2) -> pd.DataFrame:
    """Trials of the agent on every condition: ``condition_id``, ``paddle_y_deg``, ``subject``, ``trial_type``."""
    ids = np.repeat(np.array(conditions.ids, dtype=np.int64), trials)
    rng = np.random.default_rng(seed)
    envs = gymnasium.make_vec("MentalPong-v0", num_envs=len(ids), conditions=conditions, copy=False)
    memory, ends, over = Memory(len(ids)), np.zeros(len(ids)), np.zeros(len(ids), dtype=bool)
    x = memory.look(envs.reset(seed=seed, options={"condition": ids})[0])
    while not over.all():
        actions = draw(network.forward(x)[0], rng)
        for _ in range(HOLD):
            shown, _, ended, _, info = envs.step(actions)
            x = memory.look(shown)
            for k in np.flatnonzero(ended & ~over):
                ends[k] = info["final_obs"][k][3]
            over |= ended
    return pd.DataFrame(
        {"condition_id": ids.astype(str), "paddle_y_deg": ends, "subject": "agent", "trial_type": "occ"}
    )


def judge(trials: pd.DataFrame, conditions: mp.ConditionSet, **settings: object) -> mp.Result:
    """The trials as behaviour, beside observers that know more or less than the agent."""
    return mp.evaluate(
        behavior={"agent": trials},
        columns="condition=condition_id,paddle=paddle_y_deg,subject=subject",
        conditions=conditions,
        analyses=["behavior"],
        no_models=True,
        **settings,
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--updates", type=int, default=600)
    arguments.add_argument("--seed", type=int, default=1)
    asked = arguments.parse_args()
    begun = time.monotonic()
    network = Network(np.random.default_rng(asked.seed))
    learn(network, asked.updates, seed=asked.seed)
    print(f"learned in {time.monotonic() - begun:.0f} s")
    conditions = mp.ConditionSet("primate79")
    result = judge(play(network, conditions), conditions)
    scores = result.scores.query("metric == 'mae_of_mean'")
    print(scores[["row", "value", "low", "high", "n_conditions"]].to_string(index=False))
    result.report("out/agent")


if __name__ == "__main__":
    main()
