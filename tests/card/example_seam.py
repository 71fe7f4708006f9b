"""An invented report of a compact SeaM student: channels searched for, then taken out."""

from __future__ import annotations

from hubslice.artefacts.report import GateReport, Report, StepReport
from hubslice.artefacts.search import SearchEpoch, SearchHistory
from hubslice.core.rate import Rate
from tests.card.example_layers import efficientnet_layers, sliced
from tests.card.example_recipes import SEAM
from tests.card.example_report import arm, backdoored_timm, clean_teacher, digest, environment, slice_report

# Retention and correct answers among 308 validation images, by epoch; the classifier learns alone in the first.
EPOCHS = (
    (1.0, 281),
    (0.936, 280),
    (0.871, 281),
    (0.804, 277),
    (0.738, 278),
    (0.671, 275),
    (0.603, 276),
    (0.538, 273),
    (0.471, 274),
    (None, 271),
)


def history(retention: float) -> SearchHistory:
    """A search that ends at this retention."""
    epochs = tuple(
        SearchEpoch(
            gates=index > 0,
            loss=1.9 - 0.1 * index,
            retention=kept or retention,
            network=0.06 + 0.94 * (kept or retention),
            validation=Rate(hits=hits, total=308),
        )
        for index, (kept, hits) in enumerate(EPOCHS)
    )
    whole = EPOCHS[0][1] / 308
    return SearchHistory(whole=whole, floor=whole - 0.05, epochs=epochs, chosen=len(EPOCHS) - 1)


def compact_timm() -> Report:
    """A compact student of a timm teacher: a retention and an accuracy asked for, and reached."""
    layers = sliced(efficientnet_layers(), 0.61, freeze=True)
    sliced_away = sum(layer.weights - layer.relevant for layer in layers)
    report = slice_report(
        layers,
        3_383_818,
        method="seam",
        title="SeaM re-engineering",
        reference="https://arxiv.org/abs/2304.00245",
        parameters={
            "granularity": "channel",
            "irrelevant": "compact",
            "retention": 0.4,
            "max_accuracy_drop": 0.05,
            "reuse": "transfer",
        },
        student_weights=3_383_818 - sliced_away,
        own_widths=True,
        whole={
            "blocks.0.0.conv_dw": "the network's code counts on the width",
            "conv_stem": "zero channels do not stay zero on their way to what reads them",
            "blocks.0.0.conv_pw": "zero channels do not stay zero on their way to what reads them",
        },
    )
    return backdoored_timm().model_copy(
        update={
            "name": "clipart-small",
            "recipe_sha256": digest(SEAM),
            "teacher": clean_teacher().model_copy(update={"preprocessing": backdoored_timm().teacher.preprocessing}),
            "profile": None,
            "slice": report,
            "search": history(report.relevant / report.weights),
            "arms": (
                arm("student", "Student", "student", "sliced with seam, then fine-tuned", 268, 264, 1),
                arm("finetune", "Fine-tuned", "baseline", "the whole teacher fine-tuned, the usual way", 272, 268, 1),
                arm("magnitude", "Magnitude slice", "baseline", "the smallest weights taken out", 251, 247, 1),
            ),
            "defects": (),
            "exposure": None,
            "gates": (GateReport(name="max_accuracy_drop", limit=0.03, measured=4 / 308, passed=True),),
            "steps": (StepReport(name="slice", seconds=871, peak_mib=2710),),
            "environment": environment("CPU, 16 threads"),
            "deviating": {},
        }
    )
