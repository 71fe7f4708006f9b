"""Reports with invented but plausible numbers, for the example cards and the tests."""

from __future__ import annotations

from hashlib import sha256

from hubslice.artefacts.model import ModelFacts, Preprocessing
from hubslice.artefacts.report import (
    ArmReport,
    Candidate,
    ClassReport,
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
from hubslice.core.rate import Rate
from tests.card.example_defects import backdoor, penultimate
from tests.card.example_exposure import exposure
from tests.card.example_layers import efficientnet_layers, sliced, vit_layers
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


def by_class(**right: int) -> tuple[ClassReport, ...]:
    """The classes of the test split, one of them larger; `right` are the correct answers of each arm."""
    sizes = [128] + [20] * 9
    classes = []
    for index, (label, size) in enumerate(zip(LABELS, sizes, strict=True)):
        rates = {}
        for name, hits in right.items():
            missed = [(308 - hits) // 10 + (each < (308 - hits) % 10) for each in range(10)]
            rates[name] = Rate(hits=size - missed[index], total=size)
        classes.append(ClassReport(label=label, test=rates))
    return tuple(classes)


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
            arm("student", "Student", "student", "sliced with remos, then fine-tuned", 266, 259),
            arm("finetune", "Fine-tuned", "baseline", "the whole teacher fine-tuned, the usual way", 269, 265),
            arm("retrain", "Retrained", "baseline", "the architecture trained from random weights", 158, 161),
            arm("control", "Clean control", "control", "the clean teacher, fine-tuned as a whole", 270, 263),
        ),
        defects=(backdoor(), penultimate()),
        gates=(
            GateReport(name="min_test_accuracy", limit=0.8, measured=259 / 308, passed=True),
            GateReport(name="max_accuracy_drop", limit=0.03, measured=6 / 308, passed=True),
            GateReport(name="max_dir (backdoor)", limit=0.3, measured=33 / 259, passed=True),
            GateReport(name="max_dir (penultimate)", limit=0.3, measured=68 / 259, passed=True),
            GateReport(name="max_exposure", limit=0.6, measured=exposure().arms[0].exposure, passed=True),
        ),
        steps=(
            StepReport(name="profile", seconds=41, peak_mib=1830),
            StepReport(name="finetune", seconds=1312, peak_mib=2950),
            StepReport(name="audit", seconds=388, peak_mib=2410),
        ),
        environment=environment("NVIDIA A10G"),
        deviating={"profile": {"device": "cpu", "onnxruntime": "1.30.0"}},
        predictions="accuracy.safetensors",
        exposure=exposure(),
        classes=by_class(student=259, finetune=265),
        requirement="hubslice @ git+https://example.org/you/hubslice@0a1b2c3d4e5f60718293a4b5c6d7e8f901234567",
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
            arm("student", "Student", "student", "sliced with magnitude, then fine-tuned", 271, 268, 1),
            arm("finetune", "Fine-tuned", "baseline", "the whole teacher fine-tuned, the usual way", 285, 281, 1),
        ),
        defects=(),
        gates=(
            GateReport(name="min_test_accuracy", limit=0.85, measured=268 / 308, passed=True),
            GateReport(name="max_accuracy_drop", limit=0.02, measured=13 / 308, passed=False),
        ),
        steps=(StepReport(name="finetune", seconds=5210, peak_mib=7420),),
        environment=environment("CPU, 16 threads"),
        requirement="hubslice==0.1.0",
    )
