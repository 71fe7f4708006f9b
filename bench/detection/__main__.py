"""python -m bench.detection [--attack NAME]: attack what is not yet attacked, judge every method, render.

Needs `pip install .[attacks]`, and the VGG and images of `python -m bench.reuse`. Attacked images are kept in
runs/bench/detection, so that a killed run goes on with the next attack.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from hubslice.models.folder import load_model
from hubslice.recipe.schema import DataParams
from hubslice.task.opening import open_tables
from hubslice.tracing.traceable import traceable_of

from ..machine import Machine
from .attacks import SETTINGS, Attacked, Grey, answers, attack, half_of
from .outcome import Clean, Outcome, Variants, auroc, judge
from .render import HERE, render

ROOT = Path(__file__).parents[2]
REUSE, RUNS = ROOT / "runs" / "bench" / "reuse", ROOT / "runs" / "bench" / "detection"
OUTCOMES = HERE / "outcomes"
CLEAN_TEST = 3000  # rows of the test table that the clean images are taken from


def main() -> None:
    """Parse the arguments, attack, measure, render."""
    parser = argparse.ArgumentParser(prog="python -m bench.detection", description=__doc__)
    parser.add_argument("--attack", choices=[setting.name for setting in SETTINGS], help="default: all")
    parser.add_argument("--attacked", action="store_true", help="judge the attacks that are there, make no others")
    parser.add_argument("--reuse", type=Path, default=REUSE, help="where bench.reuse keeps its teachers and images")
    parser.add_argument("--variants", action="store_true", help="choose anew between variants of slices")
    parser.add_argument("--render", action="store_true", help="render what is there")
    given = parser.parse_args()
    if not given.render:
        try:
            measure(given.attack, given.attacked, given.variants, given.reuse)
        except ModuleNotFoundError as error:
            raise SystemExit(f"{error.name} is missing: pip install '.[attacks]'") from error
    render()


def measure(name: str | None, attacked_only: bool, choose: bool, reuse: Path) -> None:
    """Write the outcomes that are missing."""
    from .measure import CLEAN, VARIANTS, Methods, title, variant_scores

    torch.set_num_threads(1)
    model = load_model(reuse / "vgg" / "student")
    model.module.eval()
    images, labels = _read(reuse / "fashion" / "test.parquet", None)
    clean, _ = _read(reuse / "fashion" / "train.parquet", CLEAN)
    cache = RUNS / "attacked"
    made: dict[str, Attacked] = {}
    for setting in SETTINGS:
        if name in {None, setting.name} and (not attacked_only or (cache / f"{setting.name}.npz").is_file()):
            made[setting.name] = attack(setting, model, images, labels, cache)
            print(f"{setting.name}: {len(made[setting.name].rows)} of {made[setting.name].tried}", flush=True)
    rows = np.arange(CLEAN_TEST)
    right = answers(Grey(model), images[rows]).argmax(axis=1) == labels[rows]
    if choose or not (OUTCOMES / "variants.json").is_file():
        some = images[rows[right & (half_of(rows) == "choice")]][:600]
        found, subject = {}, traceable_of(model)
        for variant in VARIANTS:
            score = variant_scores(subject, clean[:2000], variant)
            known = score(some)
            each = [auroc(known, score(one.images[one.half("choice")])) for one in made.values()]
            found[title(variant)] = round(float(np.mean(each)), 4)
            print(f"{title(variant)}: {found[title(variant)]}", flush=True)
        Variants(attacks=tuple(made), auroc=found).save(OUTCOMES / "variants.json")
    methods = Methods(model, clean)
    of_test = half_of(rows) == "test"
    known, wrong = (methods.scores(images[rows[mask & of_test]]) for mask in (right, ~right))
    threshold = methods.threshold
    Clean(
        fitted=len(methods.neighbours.answers),
        held_out=len(methods.clean["slice"]),
        right=len(known["slice"]),
        flagged_right=int((known["slice+margin"] > threshold).sum()),
        wrong=len(wrong["slice"]),
        flagged_wrong=int((wrong["slice+margin"] > threshold).sum()),
    ).save(OUTCOMES / "clean.json")
    for setting in SETTINGS:
        one = made.get(setting.name)
        if one is None or (OUTCOMES / f"attack-{setting.name}.json").is_file():
            continue
        scores = methods.scores(one.images[one.half("test")])
        Outcome(
            attack=setting.name,
            source=setting.source,
            instead=setting.instead,
            n=len(scores["slice"]),
            tried=one.tried,
            clean=len(known["slice"]),
            found={method: judge(known[method], scores[method]) for method in scores},
            machine=Machine.here(1).line,
        ).save(OUTCOMES / f"attack-{setting.name}.json")


def _read(path: Path, count: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Grey images uint8 [N, H, W] and their labels [N]."""
    table = next(iter(open_tables(DataParams.model_validate({"path": str(path)}), Path.cwd())[0].values()))
    labels = table.targets()[:count]
    return np.stack([np.asarray(table.item(row))[..., 0] for row in range(len(labels))]), labels


if __name__ == "__main__":
    main()
