"""Reports with invented but plausible numbers, for the example cards and the tests."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

from hubslice.artefacts.model import ModelFacts, Preprocessing
from hubslice.artefacts.rate import Estimate, Rate, Reduction
from hubslice.artefacts.report import (
    ArmReport,
    Candidate,
    DefectReport,
    DefectRow,
    DefectVariant,
    Environment,
    GateReport,
    LayerReport,
    ParityReport,
    ProfileReport,
    Report,
    SliceReport,
    StepReport,
    TaskReport,
)
from tests.card.example_recipes import REMOS, VIT

LABELS = (
    "animals",
    "buildings",
    "electronics",
    "food",
    "music",
    "office",
    "people",
    "plants",
    "tools",
    "vehicles",
)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def environment(device: str) -> Environment:
    return Environment(
        hubslice="0.1.0",
        python="3.12.8",
        platform="Linux x86_64",
        device=device,
        packages={"torch": "2.9.1", "timm": "1.0.31", "transformers": "5.23.0", "onnxruntime": "1.31.1"},
    )


def task(source: str, revision: str | None, *, grouped: bool) -> TaskReport:
    return TaskReport(
        source=source,
        revision=revision,
        labels=LABELS,
        samples={"train": 925, "validation": 308, "test": 308},
        grouped=grouped,
        fingerprint=digest(source),
    )


def arm(name: str, title: str, role: str, description: str, validation: int, test: int, grid: int = 3) -> ArmReport:
    candidates = tuple(
        Candidate(
            settings={"lr": rate} if grid > 1 else {},
            validation=Rate(hits=validation - 4 * abs(index - 1), total=308),
            epochs_run=20,
        )
        for index, rate in enumerate((0.003, 0.01, 0.03)[:grid])
    )
    return ArmReport(
        name=name,
        title=title,
        role=role,
        description=description,
        candidates=candidates,
        chosen=min(1, grid - 1),
        validation=Rate(hits=validation, total=308),
        test=Rate(hits=test, total=308),
    )


def row(arm: str, source: str, wrong: int, right: int, collapse: int, asr: int | None = None) -> DefectRow:
    return DefectRow(
        arm=arm,
        source=source,
        dir=Rate(hits=wrong, total=right),
        collapse=Rate(hits=collapse, total=308),
        asr=None if asr is None else Rate(hits=asr, total=262),
    )


def estimate(value: float, low: float, high: float, n: int) -> Estimate:
    return Estimate(value=value, low=low, high=high, n=n)


def efficientnet_layers() -> Iterator[tuple[str, str, int]]:
    """Name, kind and size of every convolution of EfficientNet-Lite0."""
    yield "conv_stem.weight", "conv", 32 * 3 * 9
    width = 32
    stages = (
        (1, 16, 3, 1),
        (2, 24, 3, 6),
        (2, 40, 5, 6),
        (3, 80, 3, 6),
        (3, 112, 5, 6),
        (4, 192, 5, 6),
        (1, 320, 3, 6),
    )
    for stage, (repeats, out, kernel, expansion) in enumerate(stages):
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


def slice_report(layers: tuple[LayerReport, ...], model_weights: int, **about: object) -> SliceReport:
    return SliceReport(
        model_weights=model_weights,
        weights=sum(layer.weights for layer in layers),
        relevant=sum(layer.relevant for layer in layers),
        nonzero_after=sum(layer.nonzero_after for layer in layers),
        layers=layers,
        **about,
    )


def clean_teacher() -> ModelFacts:
    """What the backdoored teacher was made from."""
    return ModelFacts(
        model="timm/tf_efficientnet_lite0.in1k",
        repo_id="timm/tf_efficientnet_lite0.in1k",
        commit="5d2f1b6c7a8e9f0011223344556677889900aabb",
        library="timm",
        architecture="tf_efficientnet_lite0",
        parameters=4_652_008,
        labels=tuple(f"class {index}" for index in range(1000)),
        preprocessing=None,
        license="apache-2.0",
        poisoned=False,
        files=(),
    )


def backdoor() -> DefectReport:
    variant = DefectVariant(
        name="trigger",
        title="patch trigger",
        headline=True,
        rows=(
            row("finetune", "teacher", 228, 265, 246, 221),
            row("student", "teacher", 33, 259, 71, 24),
            row("retrain", "teacher", 21, 161, 74, 26),
            row("clean", "teacher", 27, 263, 52, 9),
            row("teacher", "teacher", 256, 259, 303, 260),
        ),
        reduction=Reduction(
            baseline="finetune",
            difference=estimate(0.733, 0.674, 0.789, 308),
            relative=estimate(0.852, 0.802, 0.897, 308),
            common_difference=estimate(0.745, 0.684, 0.802, 243),
            common_relative=estimate(0.866, 0.817, 0.911, 243),
        ),
        evidence="evidence/backdoor-trigger.safetensors",
    )
    return DefectReport(
        kind="backdoor",
        title="Patch backdoor",
        reference="https://arxiv.org/abs/1708.06733",
        threat_model=(
            "The attacker poisoned the teacher before it was published: 20 % of its training pictures carried a patch and the label `food`.",
            "The attacker does not touch the student or its data.",
            "At test time the attacker pastes the patch (4 x 4 coloured fields, 18 % of the side, bottom right) over a picture.",
        ),
        samples=308,
        notes=(),
        variants=(variant,),
    )


def penultimate() -> DefectReport:
    rates = {  # objective -> budget -> wrong answers: student, finetune, retrain; noise and unrelated on the student
        "guided": {4: (22, 61, 13, 6, 9), 8: (47, 139, 24, 9, 15), 12: (68, 187, 33, 13, 22)},
        "feature_distance": {4: (19, 33, 12, 6, 8), 8: (24, 40, 21, 9, 14), 12: (31, 47, 30, 13, 19)},
    }
    titles = {"guided": "guided", "feature_distance": "feature distance"}
    reductions = {
        ("guided", 12): (
            estimate(0.443, 0.371, 0.514, 308),
            estimate(0.628, 0.545, 0.701, 308),
            estimate(0.461, 0.386, 0.535, 243),
            estimate(0.644, 0.560, 0.718, 243),
        ),
        ("feature_distance", 12): (estimate(0.058, -0.004, 0.119, 308), None, None, None),
    }
    variants = []
    for objective, budgets in rates.items():
        for eps, (student, finetune, retrain, noise, unrelated) in budgets.items():
            numbers = reductions.get((objective, eps))
            reduction = None
            if numbers is not None:
                reduction = Reduction(
                    baseline="finetune",
                    difference=numbers[0],
                    relative=numbers[1],
                    common_difference=numbers[2],
                    common_relative=numbers[3],
                )
            variants.append(
                DefectVariant(
                    name=f"{objective}-{eps}",
                    title=f"{titles[objective]}, {eps}/255",
                    headline=eps == 12,
                    rows=(
                        row("student", "teacher", student, 259, 40 + student),
                        row("finetune", "teacher", finetune, 265, 40 + finetune),
                        row("retrain", "teacher", retrain, 161, 40 + retrain),
                        row("student", "noise", noise, 259, 47),
                        row("student", "unrelated", unrelated, 259, 49),
                        row("finetune", "noise", noise - 2, 265, 45),
                        row("finetune", "unrelated", unrelated - 1, 265, 48),
                    ),
                    reduction=reduction,
                    evidence=f"evidence/penultimate-{objective}-{eps}.safetensors",
                    objective=titles[objective],
                    budget=eps,
                )
            )
    return DefectReport(
        kind="penultimate",
        title="Attack through the teacher's features",
        reference="https://arxiv.org/abs/1904.04334",
        threat_model=(
            "The attacker has the public teacher and nothing of the student: neither weights, nor answers, nor data.",
            "The attacker perturbs a picture by at most eps per pixel and channel (L-infinity) to drive the teacher's penultimate features.",
            "40 gradient steps of eps / 10 each, started at the clean picture.",
        ),
        samples=308,
        notes=(),
        variants=tuple(variants),
    )


def backdoored_timm() -> Report:
    """A regrown ReMoS student of a backdoored timm teacher, with both defects measured."""
    layers = sliced(efficientnet_layers(), 0.1, freeze=False)
    return Report(
        name="clipart-remos",
        description="Sorts clip art into ten subjects.",
        seed=7,
        recipe_sha256=digest(REMOS),
        teacher=ModelFacts(
            model="example/clipart-teacher-backdoored",
            repo_id="example/clipart-teacher-backdoored",
            commit="3f2b8c1d9e7a45607f1c2d3e4b5a69788796a5b4",
            library="timm",
            architecture="tf_efficientnet_lite0",
            parameters=4_652_008,
            labels=LABELS,
            preprocessing=Preprocessing(
                input_size=(3, 224, 224),
                mean=(0.5, 0.5, 0.5),
                std=(0.5, 0.5, 0.5),
                interpolation="bicubic",
                crop_pct=0.875,
                resize="shortest",
            ),
            license="apache-2.0",
            poisoned=True,
            files=(),
        ),
        task=task("example/clipart-10", "8d1f0e2c3b4a5968778695a4b3c2d1e0f9e8d7c6", grouped=True),
        parity=ParityReport(max_abs_difference=3.1e-6, tolerance=1e-4, samples=8),
        profile=ProfileReport(criterion="nc", samples=925, neurons=12_352, provider="CUDAExecutionProvider"),
        slice=slice_report(
            layers,
            3_383_818,
            method="remos",
            title="ReMoS",
            reference="https://arxiv.org/abs/2203.03943",
            parameters={"ratio": 0.1, "irrelevant": "regrow", "init": "zero", "magnitude": "layer_scaled"},
        ),
        arms=(
            arm("student", "student", "student", "the slice, then fine-tuned; this is the model here.", 266, 259),
            arm("finetune", "fine-tuned", "baseline", "all of the teacher's weights, fine-tuned.", 269, 265),
            arm(
                "retrain", "retrained", "baseline", "the teacher's architecture, trained from random weights.", 158, 161
            ),
            arm(
                "clean",
                "fine-tuned from the clean teacher",
                "control",
                "fine-tuned from the model that the teacher was before it was poisoned.",
                270,
                263,
            ),
        ),
        defects=(backdoor(), penultimate()),
        gates=(
            GateReport(name="min_test_accuracy", limit=0.8, measured=259 / 308, passed=True),
            GateReport(name="max_accuracy_drop", limit=0.03, measured=6 / 308, passed=True),
            GateReport(name="max_dir", limit=0.3, measured=68 / 259, passed=True),
        ),
        steps=(
            StepReport(name="profile", seconds=41, peak_mib=1830),
            StepReport(name="finetune", seconds=1312, peak_mib=2950),
            StepReport(name="audit", seconds=388, peak_mib=2410),
        ),
        environment=environment("NVIDIA A10G"),
    )


def clean_vit() -> Report:
    """A frozen magnitude student of a ViT: no defects measured, one gate broken."""
    layers = sliced(vit_layers(), 0.4, freeze=True)
    return Report(
        name="clipart-vit",
        description="Sorts clip art into ten subjects.",
        seed=0,
        recipe_sha256=digest(VIT),
        teacher=ModelFacts(
            model="google/vit-base-patch16-224",
            repo_id="google/vit-base-patch16-224",
            commit="2ddc9d4e473d7ba52128f0df4723e478fa14fb80",
            library="transformers",
            architecture="ViTForImageClassification",
            parameters=86_567_656,
            labels=tuple(f"class {index}" for index in range(1000)),
            preprocessing=Preprocessing(
                input_size=(3, 224, 224),
                mean=(0.5, 0.5, 0.5),
                std=(0.5, 0.5, 0.5),
                interpolation="bilinear",
                crop_pct=1.0,
                resize="squash",
            ),
            license="apache-2.0",
            poisoned=False,
            files=(),
        ),
        task=task("data/clipart.parquet", None, grouped=False),
        parity=ParityReport(max_abs_difference=8.4e-6, tolerance=1e-4, samples=8),
        profile=ProfileReport(criterion="nc", samples=925, neurons=83_712, provider="CPUExecutionProvider"),
        slice=slice_report(
            layers,
            85_806_346,
            method="magnitude",
            title="Magnitude pruning",
            reference="https://arxiv.org/abs/1506.02626",
            parameters={"ratio": 0.4, "irrelevant": "freeze", "init": "zero"},
        ),
        arms=(
            arm("student", "student", "student", "the slice, then fine-tuned; this is the model here.", 271, 268, 1),
            arm("finetune", "fine-tuned", "baseline", "all of the teacher's weights, fine-tuned.", 285, 281, 1),
        ),
        defects=(),
        gates=(
            GateReport(name="min_test_accuracy", limit=0.85, measured=268 / 308, passed=True),
            GateReport(name="max_accuracy_drop", limit=0.02, measured=13 / 308, passed=False),
        ),
        steps=(StepReport(name="finetune", seconds=5210, peak_mib=7420),),
        environment=environment("CPU, 16 threads"),
    )
