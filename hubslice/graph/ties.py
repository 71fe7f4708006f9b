"""Find channels that a network couples across layers, with torch-pruning's dependency graph."""

from __future__ import annotations

import re
import warnings
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from hubslice.models.calling import Call
from hubslice.models.shapes import HEADS

OPERATION = "#"  # prefix of names that are not layers
UNKNOWN = "an operation that rearranges channels in a way which cannot be followed"
_FREE = "the parameter {}, which belongs to no layer"
LAST = 2**64 - 1  # the axis -1, as autograd stores it
_UPDATE = re.compile(r"update_\w+_index_mapping")  # torch-pruning's functions for each kind of operation
Layer = nn.modules.conv._ConvNd | nn.Linear


class Place(NamedTuple):
    """A channel of a layer, by index, on its input or output side. Norms and depthwise layers only have "out"."""

    layer: str
    side: Literal["in", "out"]
    channel: int


@dataclass(frozen=True)
class Tie:
    """Channels that can only be removed together.

    `obstacles` are coupled to them and cannot lose channels: parameters that belong to no layer. `heads` means that an
    attention layer splits these channels into heads.
    """

    places: tuple[Place, ...]
    obstacles: tuple[str, ...]
    heads: bool


def find_ties(module: nn.Module, inputs: Mapping[str, Tensor]) -> list[Tie]:
    """Return all ties of the outputs of convolutions and linear layers, in no particular order.

    Residual sums, concatenations, depthwise and grouped convolutions, flattening and attention couple channels.
    `inputs` are examples [N, ...] by the argument names of the module's forward.

    Raises:
        Exception: anything that torch-pruning raises for a network that it cannot trace.
    """
    import torch_pruning

    graph = torch_pruning.DependencyGraph()
    with torch.enable_grad(), warnings.catch_warnings(), _mapped_where_it_can_be():
        warnings.simplefilter("ignore")  # about parameters outside layers: they become obstacles below
        graph.build_dependency(
            module,
            tuple(inputs.values()),
            forward_fn=lambda network, tensors: Call(network, tuple(inputs)).eval()(*tensors),
            verbose=False,
        )
    joined, obstacles = _closed(graph, module)
    _join_blocks(module, joined)
    heads = _join_heads(module, joined)
    hindered: dict[Place, dict[str, None]] = {}
    for place, obstacle in obstacles.items():
        hindered.setdefault(joined.root(place), {})[obstacle] = None
    cut = {joined.root(place) for place in heads}
    return [
        Tie(tuple(sorted(places)), tuple(sorted(hindered.get(root, ()))), root in cut)
        for root, places in joined.classes().items()
    ]


def parameter_of(obstacle: str) -> str | None:
    """Return the name of the parameter that is an obstacle; None for other obstacles."""
    before, after = _FREE.split("{}")
    return obstacle[len(before) : -len(after)] if obstacle.startswith(before) and obstacle.endswith(after) else None


@contextmanager
def _mapped_where_it_can_be() -> Iterator[None]:
    """Make torch-pruning map splits of tokens along their channels, and skip operations that it fails on.

    An operation without a map passes channels on unchanged. That may be wrong, like everything that torch-pruning
    proposes: it is tested later.
    """
    from torch_pruning.dependency import index_mapping

    updates = {name: update for name, update in vars(index_mapping).items() if _UPDATE.fullmatch(name)}

    def careful(update: Any) -> Any:
        def run(graph: Any, node: Any) -> None:
            _map_split_tokens(node)
            with suppress(ArithmeticError, LookupError, TypeError):
                update(graph, node)

        return run

    for name, update in updates.items():
        setattr(index_mapping, name, careful(update))
    try:
        yield
    finally:
        for name, update in updates.items():
            setattr(index_mapping, name, update)


def _map_split_tokens(node: Any) -> None:
    """Make torch-pruning map a split of tokens [N, ..., C] along their last axis.

    After a parameter with three axes, such as the position embedding, it does not map splits at all.
    """
    function = node.grad_fn
    sizes, axis = getattr(function, "_saved_self_sym_sizes", ()), getattr(function, "_saved_dim", None)
    if "Split" in type(function).__name__ and len(sizes) > 2 and axis == LAST:
        node.enable_index_mapping = True


class _Joined:
    """Disjoint sets of places (union-find)."""

    def __init__(self) -> None:
        self._parents: dict[Place, Place] = {}

    def __contains__(self, place: Place) -> bool:
        return place in self._parents

    def root(self, place: Place) -> Place:
        parent = self._parents.setdefault(place, place)
        while parent != self._parents[parent]:
            parent = self._parents[parent]
        self._parents[place] = parent
        return parent

    def join(self, one: Place, other: Place) -> None:
        self._parents[self.root(other)] = self.root(one)

    def classes(self) -> dict[Place, list[Place]]:
        """Return the sets by their roots, without the operations between the layers."""
        found: dict[Place, list[Place]] = {}
        for place in self._parents:
            if not place.layer.startswith(OPERATION):
                found.setdefault(self.root(place), []).append(place)
        return found


class _Index(NamedTuple):
    """A channel and its origin in a mapping, with torch-pruning's field names."""

    idx: int
    root_idx: int


def _closed(graph: Any, module: nn.Module) -> tuple[_Joined, dict[Place, str]]:
    """Return the places that torch-pruning's dependencies join, starting from all layers' outputs, and the obstacles.

    torch-pruning's own closure of a channel, `get_pruning_group`, does not terminate for some networks (MaxViT: the
    indices grow in every round), and maps the whole graph again for each channel.
    """
    joined, obstacles = _Joined(), dict[Place, str]()
    names = {node: _name(graph, node, number) for number, node in enumerate(graph.module2node.values())}
    layers = [part for part in module.modules() if isinstance(part, Layer) and part in graph.module2node]
    most = max((width for layer in layers for width in _widths(layer)), default=0)
    todo = deque(
        (graph.module2node[layer], graph.get_pruner_of_module(layer).prune_out_channels, list(range(_widths(layer)[1])))
        for layer in layers
    )
    for node, prune, indices in todo:
        for index in indices:
            joined.root(Place(names[node], _side(prune), index))
    while todo:
        node, prune, indices = todo.popleft()
        for dependency in node.dependencies:
            if not dependency.is_triggered_by(prune):
                continue
            target = dependency.target
            reached: Any = [_Index(index, index) for index in indices]
            try:
                for mapping in dependency.index_mapping:
                    reached = reached if mapping is None else mapping(reached)
            except (ArithmeticError, LookupError, TypeError):  # an operation whose channels torch-pruning cannot map
                obstacles |= {Place(names[node], _side(prune), index): UNKNOWN for index in indices}
                continue
            new = []
            for index, origin in reached:
                if origin is None or not 0 <= index < most:
                    continue
                place = Place(names[target], _side(dependency.handler), index)
                if place not in joined:
                    new.append(index)
                    if isinstance(target.module, nn.Parameter):
                        name = graph._param_to_name[target.module]
                        obstacles[place] = _FREE.format(name)
                joined.join(Place(names[node], _side(prune), origin), place)
            if new:
                todo.append((target, dependency.handler, new))
    return joined, obstacles


def _name(graph: Any, node: Any, number: int) -> str:
    """Return the layer's name; operations have none, so they get one that no layer can have."""
    inside = isinstance(node.module, nn.Module) and node.module in graph._module2name
    return str(graph._module2name[node.module]) if inside else f"{OPERATION}{number}"


def _side(prune: Any) -> Literal["in", "out"]:
    """Return the side that a torch-pruning function removes; one that removes both counts as "out"."""
    return "in" if prune.__name__ == "prune_in_channels" else "out"


def _widths(layer: Any) -> tuple[int, int]:
    if isinstance(layer, nn.Linear):
        return layer.in_features, layer.out_features
    return layer.in_channels, layer.out_channels


def _join_blocks(module: nn.Module, joined: _Joined) -> None:
    """Join whole groups of grouped convolutions: the inputs of a group with its outputs."""
    for name, layer in module.named_modules():
        if isinstance(layer, nn.modules.conv._ConvNd) and layer.groups > 1 and Place(name, "out", 0) in joined:
            first = [Place(name, "out", g * layer.out_channels // layer.groups) for g in range(layer.groups)]
            for side, channels in (("out", layer.out_channels), ("in", layer.in_channels)):
                for index in range(channels):
                    place = Place(name, side, index)  # type: ignore[arg-type]
                    if place in joined:
                        joined.join(first[index * layer.groups // channels], place)


def _join_heads(module: nn.Module, joined: _Joined) -> list[Place]:
    """Join the consecutive channels of attention heads, which are removed whole; returns a place of each head.

    Heads are the outputs of a layer directly below a module with a head count, as far as they stay within that module's
    parent: what leaves it, like the sum of the projection with its input, is not split into heads.
    """
    owners = {name: heads for name, part in module.named_modules() if (heads := _count_heads(part))}
    widths = {name: part.in_features for name, part in module.named_modules() if isinstance(part, nn.Linear)}
    found = []
    for places in joined.classes().values():
        above = {place.layer.rpartition(".")[0] for place in places if place.side == "out"}
        owner = min((name for name in above if name in owners), default=None)
        if owner is None or not all(_within(place.layer, owner.rpartition(".")[0]) for place in places):
            continue
        for place in places:
            width = widths.get(place.layer, 0)  # unknown for attention over convolutions
            if place.side == "in" and width and width % owners[owner] == 0:
                found.append((place._replace(channel=place.channel - place.channel % (width // owners[owner])), place))
    for first, place in found:
        joined.join(first, place)
    return [first for first, _ in found]


def _within(layer: str, part: str) -> bool:
    return not part or layer.startswith(f"{part}.")


def _count_heads(part: nn.Module) -> int | None:
    """Return the number of heads of an attention layer; None for other modules."""
    return next((vars(part)[name] for name in HEADS if type(vars(part).get(name)) is int), None)
