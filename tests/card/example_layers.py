"""Layers of two real architectures, sliced by invented amounts."""

from __future__ import annotations

from collections.abc import Iterator

from hubslice.artefacts.report import LayerReport


def efficientnet_layers() -> Iterator[tuple[str, str, int]]:
    """Name, kind and size of every convolution of EfficientNet-Lite0."""
    yield "conv_stem.weight", "conv", 32 * 3 * 9
    width = 32
    stages = ((1, 16, 3), (2, 24, 3), (2, 40, 5), (3, 80, 3), (3, 112, 5), (4, 192, 5), (1, 320, 3))
    for stage, (repeats, out, kernel) in enumerate(stages):
        expansion = 6 if stage else 1
        for block in range(repeats):
            name, inner = f"blocks.{stage}.{block}", width * expansion
            if expansion > 1:
                yield f"{name}.conv_pw.weight", "conv", width * inner
            yield f"{name}.conv_dw.weight", "depthwise", inner * kernel * kernel
            yield f"{name}.conv_{'pwl' if expansion > 1 else 'pw'}.weight", "conv", inner * out
            width = out
    yield "conv_head.weight", "conv", 320 * 1280


def vit_layers() -> Iterator[tuple[str, str, int]]:
    """Name, kind and size of every sliceable weight of ViT-Base."""
    yield "vit.embeddings.patch_embeddings.projection.weight", "conv", 768 * 3 * 256
    for index in range(12):
        for part in ("attention.q_proj", "attention.k_proj", "attention.v_proj", "attention.o_proj"):
            yield f"vit.layers.{index}.{part}.weight", "linear", 768 * 768
        yield f"vit.layers.{index}.mlp.fc1.weight", "linear", 768 * 3072
        yield f"vit.layers.{index}.mlp.fc2.weight", "linear", 768 * 3072


def sliced(layers: Iterator[tuple[str, str, int]], ratio: float, *, freeze: bool) -> tuple[LayerReport, ...]:
    """Irrelevance that grows with depth and scatters by a fixed pattern."""
    found = list(layers)
    shares = []
    for index, (_, kind, _) in enumerate(found):
        depth, scatter = index / (len(found) - 1), (index * 37 % 11 - 5) / 5
        shares.append((0.35 + 1.1 * depth + 0.45 * scatter * (0.4 + depth)) * (0.4 if kind == "depthwise" else 1.0))
    total = sum(weights for _, _, weights in found)
    scale = ratio * total / sum(share * weights for share, (_, _, weights) in zip(shares, found, strict=True))
    result = []
    for share, (name, kind, weights) in zip(shares, found, strict=True):
        relevant = round(weights * (1 - min(0.9, scale * share)))
        after = relevant if freeze else weights - round((weights - relevant) * 0.002)
        result.append(LayerReport(parameter=name, kind=kind, weights=weights, relevant=relevant, nonzero_after=after))
    return tuple(result)
