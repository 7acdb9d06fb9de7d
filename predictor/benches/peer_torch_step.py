"""One training step of the published dynamics in PyTorch, for examples/train_step_speed.rs, which calls it.

Reads the weights and the windows from a safetensors file, takes Adam steps, and prints a JSON line for each cell and
optimiser: losses before the first steps, seconds of CPU and of wall time for a step (the least of the rounds).
"""

import json
import sys
import time

import numpy
import torch


def read(path):
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        data = file.read()
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            values = numpy.frombuffer(data[begin:end], "<f4").reshape(entry["shape"])
            tensors[name] = torch.from_numpy(values.copy())
    return tensors


class Ctrnn(torch.nn.Module):
    def __init__(self, latent, hidden):
        super().__init__()
        self.ah0 = torch.nn.Parameter(torch.zeros(hidden), requires_grad=False)
        self.fc_x2ah = torch.nn.Linear(latent, hidden)
        self.fc_h2ah = torch.nn.Linear(hidden, hidden, bias=False)
        self.fc_h2y = torch.nn.Linear(hidden, hidden)

    def forward(self, x):
        ah = self.ah0.repeat(x.shape[1], 1)
        h = torch.relu(torch.tanh(ah))
        for t in range(x.shape[0]):
            ah = ah + 0.1 * (-ah + self.fc_h2ah(h) + self.fc_x2ah(x[t]))
            h = torch.relu(torch.tanh(ah))
        return self.fc_h2y(h)


class Dynamics(torch.nn.Module):
    def __init__(self, kind, latent, hidden):
        super().__init__()
        self.kind = kind
        if kind == "lstm":
            self.lstm = torch.nn.LSTM(latent, hidden)
        else:
            self.ctrnn = Ctrnn(latent, hidden)
        self.regressor = torch.nn.Linear(hidden, latent)

    def forward(self, x):
        read = self.lstm(x)[0][-1] if self.kind == "lstm" else self.ctrnn(x)
        return self.regressor(read)


def main(path, rounds, steps):
    torch.set_num_threads(1)
    stored = read(path)
    x, y = stored["x"], stored["y"]
    for kind in ["ctrnn", "lstm"]:
        weights = {
            name.removeprefix(f"{kind}/dynamics."): tensor
            for name, tensor in stored.items()
            if name.startswith(f"{kind}/dynamics.")
        }
        for fused in [False, True]:
            net = Dynamics(kind, x.shape[2], weights["regressor.weight"].shape[1])
            net.load_state_dict(weights)
            trained = [p for p in net.parameters() if p.requires_grad]
            adam = torch.optim.Adam(trained, lr=1e-4, fused=fused)
            losses, cpu, wall = [], [], []
            for _ in range(rounds):
                began = time.process_time(), time.perf_counter()
                for _ in range(steps):
                    adam.zero_grad()
                    loss = torch.nn.functional.mse_loss(net(x), y)
                    loss.backward()
                    adam.step()
                    losses.append(loss.item())
                cpu.append((time.process_time() - began[0]) / steps)
                wall.append((time.perf_counter() - began[1]) / steps)
            print(
                json.dumps(
                    {
                        "kind": kind,
                        "name": f"torch {torch.__version__}, Adam{' fused' if fused else ''}",
                        "losses": losses[:steps],
                        "cpu_s": min(cpu),
                        "wall_s": min(wall),
                    }
                )
            )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
