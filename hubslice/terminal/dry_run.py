"""Show dry runs: the preview of a teacher, and the cost of a run."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from hubslice.core.cells import Fixed, mebibytes
from hubslice.core.numbers import size_in_words
from hubslice.hub.kinds import Kind, kind_of, why_skipped
from hubslice.terminal.output import out

if TYPE_CHECKING:
    from hubslice.run.estimate.estimate import Estimate
    from hubslice.run.estimate.preflight import Layers, PullPreview, TeacherPreview


def show_pull(model: str, input_size: int | None, *, allow_pickle: bool = False, everything: bool = False) -> None:
    """Inspect a model without its weights, and print the findings; `everything`: each file and tensor too."""
    from hubslice.run.estimate.preflight import preview_pull

    found = preview_pull(model, input_size, out.progress(), allow_pickle=allow_pickle)
    out.result(found, lambda: _tell_pull(found, everything=everything), quiet=found.teacher.download_bytes)
    for warning in found.warnings:
        out.warning(warning)


def tell_estimate(plan: Estimate, folder: Path) -> None:
    """Print the steps with their cost, then the teachers and the requirements of the whole run."""
    shown = [
        {
            "step": step.name,
            "state": "cached" if step.cached else "to do",
            "seconds": None if step.seconds is None else Fixed(step.seconds),
            "memory": None if step.peak_mib is None else round(step.peak_mib),
            "size": None if step.bytes is None else mebibytes(step.bytes),
            "title": step.title,
        }
        for step in plan.steps
    ]
    headings = {
        "step": "STEP",
        "state": "STATE",
        "seconds": "TIME (s)",
        "memory": "MEMORY (MiB)",
        "size": "ON DISK (MiB)",
        "title": "WHAT",
    }
    out.table(shown, headings)
    if plan.teachers:
        out.line()
        out.fields(_facts(plan.teachers["pull"], plan.layers) | _needs(plan))
    out.info(f"{plan.summary}; results go to {folder}")


def _tell_pull(found: PullPreview, *, everything: bool) -> None:
    if everything:
        _tell_tensors(found.teacher)
        _tell_files(found.teacher)
    _tell_kinds(found.teacher)
    out.line()
    exported = {} if found.export_seconds is None else {"export": f"works, {found.export_seconds:.1f} s"}
    out.fields(_facts(found.teacher, found.layers) | exported)
    if not everything:
        out.hint("--all lists every file and tensor")


def _tell_tensors(teacher: TeacherPreview) -> None:
    rows = [
        {
            "name": tensor.name,
            "dtype": tensor.dtype,
            "shape": " x ".join(map(str, tensor.shape)) or "scalar",
            "bytes": tensor.bytes,
        }
        for tensor in teacher.tensors
    ]
    if rows:
        out.table(rows, {"name": "TENSOR", "dtype": "TYPE", "shape": "SHAPE", "bytes": "SIZE (bytes)"})
        out.line()


def _tell_files(teacher: TeacherPreview) -> None:
    taken = [{"file": path, "size": size, "kind": kind_of(path)} for path, size in teacher.files.items()]
    skipped = [
        {"file": path, "size": size, "kind": "skipped", "why": why_skipped(path)}
        for path, size in teacher.skipped.items()
    ]
    out.table([*taken, *skipped], {"file": "FILE", "size": "SIZE (bytes)", "kind": "KIND", "why": "WHY SKIPPED"})
    out.line()


def _tell_kinds(teacher: TeacherPreview) -> None:
    """Print how many files there are of each kind, and how many are skipped for each reason."""
    sizes: dict[tuple[str, str], list[int]] = {(kind, ""): [] for kind in get_args(Kind)}
    for path, size in teacher.files.items():
        sizes[kind_of(path), ""].append(size)
    for path, size in teacher.skipped.items():
        sizes.setdefault(("skipped", why_skipped(path)), []).append(size)
    rows = [
        {"kind": kind, "count": len(found), "size": mebibytes(sum(found)), "why": why}
        for (kind, why), found in sizes.items()
        if found
    ]
    out.table(rows, {"kind": "FILES", "count": "COUNT", "size": "SIZE (MiB)", "why": "WHY SKIPPED"})


def _facts(teacher: TeacherPreview, layers: Layers | None) -> dict[str, object]:
    told: dict[str, object] = {"teacher": teacher.repo_id or teacher.model}
    if teacher.commit:
        told["commit"] = teacher.commit
    types = Counter(tensor.dtype for tensor in teacher.tensors)
    told |= {
        "license": (teacher.license or "not stated") + (", gated" if teacher.gated else ""),
        "architecture": f"{teacher.architecture} ({teacher.library}), {teacher.parameters:,} parameters",
        "tensors": f"{len(teacher.tensors)} in the weights ({', '.join(types)}), all fit the architecture"
        if teacher.tensors
        else f"not known before the download: {', '.join(teacher.pickles)} has no header that tells names and shapes",
        "download": f"{size_in_words(teacher.download_bytes)} of {size_in_words(teacher.bytes)}"
        if teacher.download_bytes
        else f"nothing, all {size_in_words(teacher.bytes)} are here",
    }
    if layers is not None:
        kinds = ", ".join(f"{count} {kind}" for kind, count in layers.kinds.items())
        told["sliceable"] = f"{layers.weights:,} weights in {layers.layers} layers ({kinds})"
        if layers.unmapped:
            told["not sliceable"] = ", ".join(layers.unmapped)
    return told


def _needs(plan: Estimate) -> dict[str, object]:
    told: dict[str, object] = {}
    if plan.samples:
        told["images"] = ", ".join(f"{count} {name}" for name, count in plan.samples.items())
    told["memory"] = f"{plan.peak_mib:.0f} MiB, {plan.available_mib:.0f} MiB available"
    if plan.gpu_mib is not None:
        told["GPU memory"] = f"{plan.gpu_mib:.0f} MiB, {plan.gpu_free_mib or 0:.0f} MiB free"
    for disk in plan.disks:
        told[f"disk {disk.folders[0]}"] = f"{size_in_words(disk.needed)}, {size_in_words(disk.free)} free"
    return told
