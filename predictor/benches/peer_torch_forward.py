"""A ViT-B/16 forward pass and the published rollout in PyTorch, for examples/forward_speed.rs, which calls it.

Prints a JSON line for each: seconds of CPU and wall time (the least of the rounds; the rollout of one condition is timed
and multiplied by the number of conditions, as the published rollout takes them one by one), and the output to compare.
"""

import json
import sys
import time

import torch
import torch.nn.functional as F

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from peer_torch_step import read  # noqa: E402

W = read(sys.argv[1])
ROUNDS = 5
STEPS = 60


def say(name, cpu, wall, output, times=1):
    print(json.dumps({"name": name, "cpu_s": cpu * times, "wall_s": wall * times, "threads": torch.get_num_threads(),
                      "output": output.flatten().tolist()}), flush=True)


def timed(work, rounds):
    best = [float("inf")] * 2
    for _ in range(rounds):
        cpu, wall = time.process_time(), time.perf_counter()
        out = work()
        best = [min(best[0], time.process_time() - cpu), min(best[1], time.perf_counter() - wall)]
    return best[0], best[1], out


def vit(x):
    w = lambda name: W["vit/" + name]
    x = F.conv2d(x, w("patch_embed.proj.weight"), w("patch_embed.proj.bias"), stride=16).flatten(2).transpose(1, 2)
    x = torch.cat([w("cls_token").expand(len(x), -1, -1), x], 1) + w("pos_embed")
    n, t, d = x.shape
    for k in range(12):
        b = f"blocks.{k}."
        y = F.layer_norm(x, (d,), w(b + "norm1.weight"), w(b + "norm1.bias"), 1e-6)
        q, key, v = F.linear(y, w(b + "attn.qkv.weight"), w(b + "attn.qkv.bias")).view(n, t, 3, 12, d // 12).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, key, v).transpose(1, 2).reshape(n, t, d)
        x = x + F.linear(y, w(b + "attn.proj.weight"), w(b + "attn.proj.bias"))
        y = F.layer_norm(x, (d,), w(b + "norm2.weight"), w(b + "norm2.bias"), 1e-6)
        y = F.gelu(F.linear(y, w(b + "mlp.fc1.weight"), w(b + "mlp.fc1.bias")))
        x = x + F.linear(y, w(b + "mlp.fc2.weight"), w(b + "mlp.fc2.bias"))
    return F.layer_norm(x, (d,), w("norm.weight"), w("norm.bias"), 1e-6)[:, 0]


def ctrnn(window):
    w = lambda name: W["ctrnn/dynamics." + name]
    ah = w("ctrnn.ah0").expand(window.shape[1], -1)
    h = torch.relu(torch.tanh(ah))
    for x in window:
        ah = ah + 0.1 * (-ah + F.linear(h, w("ctrnn.fc_h2ah.weight")) + F.linear(x, w("ctrnn.fc_x2ah.weight"), w("ctrnn.fc_x2ah.bias")))
        h = torch.relu(torch.tanh(ah))
    y = F.linear(h, w("ctrnn.fc_h2y.weight"), w("ctrnn.fc_h2y.bias"))
    return F.linear(y, w("regressor.weight"), w("regressor.bias"))


lstm_layer = torch.nn.LSTM(1024, 1024)
lstm_layer.load_state_dict({k.split("lstm.")[1]: v for k, v in W.items() if k.startswith("lstm/dynamics.lstm")})


def lstm(window):
    w = lambda name: W["lstm/dynamics." + name]
    return F.linear(lstm_layer(window)[0][-1], w("regressor.weight"), w("regressor.bias"))


def roll(step, context):
    window = list(context.unsqueeze(1))
    out = []
    for _ in range(STEPS):
        out.append(step(torch.stack(window)))
        window = window[1:] + [out[-1]]
    return torch.cat(out)


with torch.no_grad():
    for batch in (1, 8):
        cpu, wall, out = timed(lambda: vit(W["vit_input"][:batch]), ROUNDS)
        say(f"vit_b16 batch {batch}", cpu, wall, out)
    for name, step in (("ctrnn", ctrnn), ("lstm", lstm)):
        cpu, wall, out = timed(lambda: roll(step, W["context"][0]), 2)
        say(f"{name} rollout, {len(W['context'])} conditions", cpu, wall, out, len(W["context"]))
