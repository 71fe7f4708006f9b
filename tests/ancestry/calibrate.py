"""Scores of known pairs, which hubslice/ancestry/calibration.py rests on: python -m tests.ancestry.calibrate FOLDER.

Networks are trained into the folder, `--seeds` parents of each kind with their children; those that are there are kept.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from pathlib import Path

import torch

from hubslice.ancestry.compare import compare, sample
from hubslice.ancestry.fingerprint import fingerprint, search
from hubslice.ancestry.verdict import decide
from hubslice.artefacts.lineage import Comparison
from hubslice.hub.tensors import open_file
from tests.ancestry.families import KINDS, children, parent, renamed, write

FORMS = "forms.json"  # of a family: the form of each child by its folder's name


def train(place: Path, seeds: int) -> None:
    for kind in KINDS:
        for seed in range(seeds):
            folder = place / kind / str(seed)
            if (folder / FORMS).is_file():
                continue
            started = time.perf_counter()
            state = parent(kind, seed)
            write(folder / "parent", renamed(state, seed + 100))
            found = children(kind, state, seed + 50)
            for number, each in enumerate(found.values()):
                write(folder / str(number), each)
            (folder / FORMS).write_text(json.dumps(dict(enumerate(found))))
            print(f"{kind} {seed}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)


def score(place: Path) -> None:
    families = sorted(path.parent for path in place.glob("*/*/forms.json"))
    found: dict[tuple[str, str], list[Comparison]] = defaultdict(list)
    for family in families:
        for number, form in json.loads((family / FORMS).read_text()).items():
            mine = sample(open_file(family / number / "model.safetensors"))
            for other in families:
                relation = (
                    "parent" if other == family else "stranger" if other.parent == family.parent else "other kind"
                )
                pair = compare(mine, open_file(other / "parent/model.safetensors"))
                found[form if relation == "parent" else f"{form}: {relation}", family.parent.name].append(pair)
    print("pair\tkind\tn\tlowest\thighest\tlimit\tverdicts\taligned\tms")
    for (what, kind), pairs in sorted(found.items()):
        numbers = [each.score for each in pairs if each.score is not None] or [float("nan")]
        limit = max((each.threshold or 0.0) for each in pairs)
        verdicts = ", ".join(f"{sum(e.verdict == v for e in pairs)} {v}" for v in sorted({e.verdict for e in pairs}))
        aligned = sum(any(layer.aligned for layer in each.layers) for each in pairs)
        ms = 1000 * sum(each.seconds for each in pairs) / len(pairs)
        row = (what, kind, len(pairs), f"{min(numbers):.3f}", f"{max(numbers):.3f}", f"{limit:.2f}", verdicts, aligned)
        print(*row, f"{ms:.0f}", sep="\t")


def score_index(place: Path) -> None:
    """Each child in an index of all parents, and in one without its own, where any descendant found is a mistake."""
    families = sorted(path.parent for path in place.glob("*/*/forms.json"))
    prints = {family: fingerprint(sample(open_file(family / "parent/model.safetensors"))) for family in families}
    found: dict[tuple[str, str], list[tuple[bool, int, int, float]]] = defaultdict(list)
    for family in families:
        others = [each for other, each in prints.items() if other != family]
        for number, form in json.loads((family / FORMS).read_text()).items():
            mine = sample(open_file(family / number / "model.safetensors"))
            with_own, without = (
                [(each, decide(each.layers, each.compared)) for each in search(mine, index, len(families))]
                for index in (list(prints.values()), others)
            )
            related = [(each, told) for each, told in with_own if told.verdict == "descendant"]
            own = [(each, told) for each, told in related if each.model == prints[family].model]
            aligned = sum(layer.aligned for each, _ in own for layer in each.layers)
            mistaken = len(related) - len(own) + sum(told.verdict == "descendant" for _, told in without)
            lowest = min((told.score or 0.0 for _, told in own), default=float("nan"))
            found[form, family.parent.name].append((bool(own), mistaken, aligned, lowest))
    print("by index\tkind\tn\tfound\tmistaken\taligned\tlowest")
    for (what, kind), each in sorted(found.items()):
        hits, mistaken, aligned, scores = zip(*each, strict=True)
        print(what, kind, len(each), sum(hits), sum(mistaken), sum(map(bool, aligned)), f"{min(scores):.3f}", sep="\t")


if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=4)
    given = parser.parse_args()
    train(given.folder, given.seeds)
    score(given.folder)
    score_index(given.folder)
