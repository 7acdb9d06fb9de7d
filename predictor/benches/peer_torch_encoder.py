"""An encoder's forward pass in PyTorch, for examples/encoder_speed.rs, which calls it.

Takes a safetensors file of weights and inputs and a description, and prints JSON: seconds of CPU time for each batch (the
least of the rounds) and the latents of the last. Residual networks and VGG are torchvision's, the transformers are written
out with PyTorch's functions.
"""

import json
import sys
import time

import torch
import torch.nn.functional as F

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from peer_torch_step import read  # noqa: E402

W = read(sys.argv[1])
ABOUT = json.loads(sys.argv[2])
X = W.pop("input")


def attend(y, heads, turn=lambda z: z):
    n, t, width = y.shape
    q, k, v = y.view(n, t, 3, heads, width // 3 // heads).permute(2, 0, 3, 1, 4)
    return F.scaled_dot_product_attention(turn(q), turn(k), v).transpose(1, 2).reshape(n, t, width // 3)


def linear(x, name):
    return F.linear(x, W[name + ".weight"], W.get(name + ".bias"))


def norm(x, name, eps):
    return F.layer_norm(x, x.shape[-1:], W[name + ".weight"], W[name + ".bias"], eps)


def block(x, b, c, turn=lambda z: z):
    y = linear(attend(linear(norm(x, b + "norm1", 1e-6), b + "attn.qkv"), c["heads"], turn), b + "attn.proj")
    x = x + (y * W[b + "ls1.gamma"] if b + "ls1.gamma" in W else y)
    y = norm(x, b + "norm2", 1e-6)
    if b + "mlp.w12.weight" in W:
        gate, value = linear(y, b + "mlp.w12").chunk(2, -1)
        y = linear(F.silu(gate) * value, b + "mlp.w3")
    else:
        y = linear(F.gelu(linear(y, b + "mlp.fc1")), b + "mlp.fc2")
    return x + (y * W[b + "ls2.gamma"] if b + "ls2.gamma" in W else y)


def vit(c):
    position, side = W["pos_embed"], c["image"] // c["patch"]
    grid = position[:, 1:].reshape(1, c["grid"], c["grid"], -1).permute(0, 3, 1, 2)
    if c["grid"] != side:
        scale = (side + 0.1) / c["grid"]
        grid = F.interpolate(grid, scale_factor=(scale, scale), mode="bicubic", antialias=False)
    position = torch.cat([position[:, :1], grid.permute(0, 2, 3, 1).reshape(1, side * side, -1)], 1)

    def forward(x):
        x = F.conv2d(x, W["patch_embed.proj.weight"], W["patch_embed.proj.bias"], stride=c["patch"]).flatten(2).transpose(1, 2)
        x = torch.cat([W["cls_token"].expand(len(x), -1, -1), x], 1) + position
        for k in range(c["depth"]):
            x = block(x, f"blocks.{k}.", c)
        return norm(x[:, 0], "norm", 1e-6)

    return forward


def clip(c):
    m = "vision_model."
    joined = [{part: torch.cat([W[f"{m}encoder.layers.{k}.self_attn.{w}_proj.{part}"] for w in "qkv"])
               for part in ("weight", "bias")} for k in range(c["depth"])]

    def forward(x):
        x = F.conv2d(x, W[m + "embeddings.patch_embedding.weight"], stride=c["patch"]).flatten(2).transpose(1, 2)
        cls = W[m + "embeddings.class_embedding"].expand(len(x), 1, -1)
        x = norm(torch.cat([cls, x], 1) + W[m + "embeddings.position_embedding.weight"], m + "pre_layrnorm", 1e-5)
        for k in range(c["depth"]):
            b = f"{m}encoder.layers.{k}."
            y = F.linear(norm(x, b + "layer_norm1", 1e-5), joined[k]["weight"], joined[k]["bias"])
            x = x + linear(attend(y, c["heads"]), b + "self_attn.out_proj")
            y = linear(norm(x, b + "layer_norm2", 1e-5), b + "mlp.fc1")
            x = x + linear(y * torch.sigmoid(1.702 * y), b + "mlp.fc2")
        return linear(norm(x[:, 0], m + "post_layernorm", 1e-5), "visual_projection")

    return forward


def vjepa2(c):
    side, head, times = c["image"] // c["patch"], c["dim"] // c["heads"], c["window"] // 2
    third = 2 * (head // 3 // 2)
    tokens = torch.arange(times * side * side)
    places = [tokens // (side * side), tokens % (side * side) // side, tokens % side]
    omega = 1.0 / 10000 ** (torch.arange(third // 2, dtype=torch.float64) / (third / 2))
    angle = torch.cat([(p[:, None] * omega).repeat(1, 2) for p in places], 1)
    angle = F.pad(angle, (0, head - 3 * third))
    cos, sin = angle.cos().float(), angle.sin().float()

    def turn(z):
        return z * cos + torch.stack([-z[..., 1::2], z[..., ::2]], -1).flatten(-2) * sin

    def forward(x):
        out = []
        # One window of frames after the other, as they come.
        for end in range(len(x)):
            window = torch.stack([x[max(end + 1 + k - c["window"], 0)] for k in range(c["window"])], 1)[None]
            y = F.conv3d(window, W["patch_embed.proj.weight"], W["patch_embed.proj.bias"], stride=(2, c["patch"], c["patch"]))
            y = y.flatten(2).transpose(1, 2)
            for k in range(c["depth"]):
                y = block(y, f"blocks.{k}.", c, turn)
            out.append(norm(y, "norm", 1e-6)[0, -side * side:].mean(0))
        return torch.stack(out)

    return forward


def torchvision_model(kind, c):
    import torchvision

    if kind == "vgg":
        model = torchvision.models.vgg16_bn()
        model.classifier = torch.nn.Sequential(*list(model.classifier.children())[:2], torch.nn.Identity(), model.classifier[3])
    else:
        block = torchvision.models.resnet.BasicBlock if c["block"].lower() == "basic" else torchvision.models.resnet.Bottleneck
        model = torchvision.models.ResNet(block, c["layers"])
        model.fc = torch.nn.Linear(2048, c["fc"]) if c.get("fc") else torch.nn.Identity()
    missing, unexpected = model.load_state_dict(W, strict=False)
    assert not unexpected and all(name.endswith("num_batches_tracked") for name in missing), (missing, unexpected)
    return model.eval()


def playnet():
    grid, maps = 14, W["encoder.layer3.weight"].shape[1]
    at = (torch.arange(grid) + 0.5) * 2 / grid - 1
    places = torch.stack([at.repeat(grid), -at.repeat_interleave(grid)], 1)

    def forward(x):
        small = F.avg_pool2d(x.permute(0, 3, 1, 2), 4) / 255
        change = 4 * (small - torch.cat([small[:1], small[:-1]]))
        patches = F.unfold(F.pad(change, (2, 2, 2, 2), mode="replicate"), 8, stride=4).transpose(1, 2)
        # Patches are [y, x, channel] here, [channel, y, x] there.
        h = F.relu(patches @ first + W["encoder.layer1.bias"])
        h = F.relu(h @ W["encoder.layer2.weight"] + W["encoder.layer2.bias"])
        share = torch.softmax((h @ W["encoder.layer3.weight"]).transpose(1, 2), -1)
        return ((share @ places).reshape(len(x), 2 * maps) - W["encoder.latent_mean"]) / W["encoder.latent_sd"]

    w = W["encoder.layer1.weight"]
    first = w.reshape(8, 8, 3, -1).permute(2, 0, 1, 3).reshape(w.shape).contiguous()
    return forward


if ABOUT["name"] == "playnet":
    forward = playnet()
else:
    (KIND, CONFIG), = ABOUT["network"]["architecture"].items()
    forward = {"vit": vit, "clip": clip, "vjepa2": vjepa2}.get(KIND, lambda c: torchvision_model(KIND, c))(CONFIG)
cpu_s = []
with torch.no_grad():
    for batch in ABOUT["batches"]:
        best = float("inf")
        for _ in range(ABOUT["rounds"]):
            start = time.process_time()
            out = forward(X[:batch])
            best = min(best, time.process_time() - start)
        cpu_s.append(best)
print(json.dumps({"cpu_s": cpu_s, "threads": torch.get_num_threads(), "latents": out.flatten().tolist()}))
