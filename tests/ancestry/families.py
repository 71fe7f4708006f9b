"""Families of small trained networks with known relations: parents, their children in many forms, and strangers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from hubslice.models.small import SmallVGG

State = dict[str, Tensor]
SIDE = 24
CLASSES = 12


class Residual(nn.Module):
    """A residual network of five blocks, all but two of one shape."""

    def __init__(self, classes: int, width: int = 24) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 5, 2, 2, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.blocks = nn.ModuleList([self._block(width) for _ in range(4)])
        self.wider = nn.Sequential(
            nn.Conv2d(width, 2 * width, 3, 2, 1, bias=False), nn.BatchNorm2d(2 * width), nn.ReLU()
        )
        self.last = self._block(2 * width)
        self.fc = nn.Linear(2 * width, classes)

    @staticmethod
    def _block(width: int) -> nn.Module:
        layers: list[nn.Module] = []
        for _ in range(2):
            layers += [nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        return nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = torch.relu(x + block(x))
        x = self.wider(x)
        return self.fc(torch.relu(x + self.last(x)).mean((2, 3)))


class Attention(nn.Module):
    """A vision transformer of three layers."""

    def __init__(self, classes: int, width: int = 48) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, 4)
        self.places = nn.Parameter(0.02 * torch.randn(1, (SIDE // 4) ** 2, width))
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
        for each in self.layers.layers:
            for parameter in each.parameters():
                if parameter.ndim > 1:
                    nn.init.xavier_uniform_(parameter)
        self.fc = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2) + self.places
        return self.fc(self.layers(tokens).mean(1))


def vgg(classes: int, widths: tuple[int, ...] = (24, 32, 48), depths: tuple[int, ...] = (1, 2, 2)) -> nn.Module:
    return SmallVGG(classes, widths=widths, depths=depths)


KINDS: dict[str, Callable[[int], nn.Module]] = {"vgg": vgg, "residual": Residual, "attention": Attention}


def images(count: int, seed: int, shift: float = 0.0) -> tuple[Tensor, Tensor]:
    """Stripes of four directions in three colours under noise; `shift` turns them, which makes a task of its own."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
    angles = (labels % 4) * np.pi / 4 + shift + rng.normal(0, 0.08, count)
    waves = 2 * np.pi * rng.uniform(2, 5, count)
    place = np.cos(angles)[:, None, None] * columns + np.sin(angles)[:, None, None] * rows
    stripes = np.sin(waves[:, None, None] * place + rng.uniform(0, 6.28, count)[:, None, None])
    colours = 0.25 + 0.75 * np.eye(3)[labels // 4]
    found = stripes[:, None] * colours[:, :, None, None] + rng.normal(0, 0.5, (count, 3, SIDE, SIDE))
    return torch.tensor(found, dtype=torch.float32), torch.tensor(labels)


def train(network: nn.Module, seed: int, *, steps: int, rate: float, shift: float = 0.0, hold: bool = False) -> State:
    """The network's weights after some steps of Adam; `hold`: what is zero stays zero."""
    torch.manual_seed(seed)
    kept = {name: p.detach() != 0 for name, p in network.named_parameters() if p.ndim > 1} if hold else {}
    data, labels = images(2048, seed, shift)
    optimiser = torch.optim.Adam(network.parameters(), lr=rate)
    network.train()
    for _ in range(steps):
        rows = torch.randint(len(data), (64,))
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(data[rows]), labels[rows]).backward()
        optimiser.step()
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                if name in kept:
                    parameter.mul_(kept[name])
    return copied(network)


def copied(network: nn.Module) -> State:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def parent(kind: str, seed: int, steps: int = 300) -> State:
    torch.manual_seed(seed)
    return train(KINDS[kind](CLASSES), seed, steps=steps, rate=2e-3)


def child(kind: str, state: State, seed: int, *, steps: int = 150, rate: float = 5e-4, hold: bool = False) -> State:
    """Fine-tuned on the turned task, with a new head."""
    torch.manual_seed(seed)
    network = KINDS[kind](CLASSES)
    fresh = copied(network)
    head = ("fc.", "classifier.")
    network.load_state_dict({name: fresh[name] if name.startswith(head) else t for name, t in state.items()})
    return train(network, seed, steps=steps, rate=rate, shift=0.4, hold=hold)


def zeroed(state: State, share: float, *, largest: bool) -> State:
    """Weights of a share of each layer at zero: the largest (as ReMoS may), else the smallest (as SeaM tends to)."""
    found = {}
    for name, tensor in state.items():
        if tensor.ndim > 1:
            order = tensor.abs().flatten().argsort(descending=largest)
            tensor = tensor.clone()
            tensor.view(-1)[order[: int(share * tensor.numel())]] = 0
        found[name] = tensor
    return found


def renamed(state: State, seed: int) -> State:
    """Names that tell nothing, in another order."""
    names = list(state)
    order = np.random.default_rng(seed).permutation(len(names))
    return {f"t{number:03d}": state[names[at]] for number, at in enumerate(order)}


def rounded(state: State, dtype: torch.dtype) -> State:
    """In half precision; int8 with a scale for each row, which gets a tensor of its own."""
    if dtype != torch.int8:
        return {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    found: State = {}
    for name, tensor in state.items():
        if tensor.ndim > 1:
            scale = tensor.abs().flatten(1).amax(1).clamp(min=1e-8) / 127
            found[f"{name}_scale"] = scale
            found[name] = (tensor / scale.view(-1, *[1] * (tensor.ndim - 1))).round().to(torch.int8)
        else:
            found[name] = tensor
    return found


def rewired(state: State, seed: int, keep: float = 1.0) -> tuple[State, tuple[int, ...]]:
    """A VGG whose channels were permuted, or thinned in order where `keep` is below 1; and its widths by layer."""
    rng = np.random.default_rng(seed)
    found = dict(state)
    before = np.arange(3)
    widths = []
    convolutions = [name for name, tensor in state.items() if tensor.ndim == 4]
    for name in convolutions:
        stem, number = name.removesuffix(".weight").rsplit(".", 1)
        count = state[name].shape[0]
        chosen = rng.permutation(count) if keep == 1 else np.sort(rng.permutation(count)[: max(4, int(keep * count))])
        found[name] = state[name][torch.tensor(chosen)][:, torch.tensor(before)].contiguous()
        for part in ("weight", "bias", "running_mean", "running_var"):
            key = f"{stem}.{int(number) + 1}.{part}"
            found[key] = state[key][torch.tensor(chosen)]
        before = chosen
        widths.append(len(chosen))
    found["classifier.weight"] = state["classifier.weight"][:, torch.tensor(before)].contiguous()
    return found, tuple(widths)


def tuned_compact(state: State, seed: int, keep: float) -> State:
    """A VGG with channels taken out, tuned afterwards on the turned task."""
    small, widths = rewired(state, seed, keep)
    torch.manual_seed(seed)
    network = vgg(CLASSES)
    convolutions = [(at, layer) for at, layer in enumerate(network.features) if isinstance(layer, nn.Conv2d)]
    before = 3
    for (at, _), width in zip(convolutions, widths, strict=True):
        network.features[at] = nn.Conv2d(before, width, 3, padding=1, bias=False)
        network.features[at + 1] = nn.BatchNorm2d(width)
        before = width
    network.classifier = nn.Linear(before, CLASSES)
    network.load_state_dict(small)
    return train(network, seed, steps=150, rate=5e-4, shift=0.4)


def children(kind: str, state: State, seed: int) -> dict[str, State]:
    """Descendants of a network in every form that is claimed to be found, without their names."""
    plain = child(kind, state, seed)
    found = {
        "fine-tuned": plain,
        "fine-tuned at ten times the rate": child(kind, state, seed, rate=5e-3),
        "a tenth regrown": child(kind, zeroed(state, 0.1, largest=True), seed),
        "a tenth kept": child(kind, zeroed(state, 0.9, largest=False), seed, hold=True),
        "float16": rounded(plain, torch.float16),
        "bfloat16": rounded(plain, torch.bfloat16),
        "int8": rounded(plain, torch.int8),
    }
    if kind == "vgg":
        found |= {
            "compact": rewired(plain, seed, 0.6)[0],
            "compact, then tuned": tuned_compact(state, seed, 0.6),
            "permuted": rewired(plain, seed)[0],
        }
    return {name: renamed(each, seed) for name, each in found.items()}


def write(folder: Path, state: Mapping[str, Tensor]) -> Path:
    """A folder with these weights, as any model's."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text('{"architecture": "hubslice_vgg", "num_classes": 12}')
    return folder
