"""The sweep over families: what is tried again, what is told of it, and that it goes through and ends what hangs."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from torch import nn
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES

from bench.breadth import __main__ as breadth
from bench.breadth.building import build
from bench.breadth.lively import enliven
from bench.breadth.member import Member, Members
from bench.breadth.outcome import Outcome, Stage, versions
from bench.breadth.render import render
from bench.breadth.stages import STAGES
from bench.breadth.sweep import Limits, missing, outcomes, sweep
from bench.breadth.timm_members import timm_member
from bench.breadth.transformers_members import transformers_members

RESNET = Member(library="timm", family="resnet", name="test_resnet")
VIT = Member(library="transformers", family="vit", name="ViTForImageClassification")
NONE = Member(library="timm", family="nothing", name="no_such_architecture")
WELL = tuple(Stage(name=name, state="ok", seconds=2.0) for name in STAGES)


def outcome(member: Member, *stages: Stage, **also: object) -> Outcome:
    return Outcome.model_validate({"member": member, "versions": versions(), "stages": stages, **also})


def test_what_was_tried_with_these_versions_is_not_tried_again(tmp_path: Path) -> None:
    refused = Stage(name="map", state="refused", told="no")
    outcome(RESNET, *WELL).save(tmp_path / f"{RESNET.key}.json")
    outcome(VIT, WELL[0], refused).save(tmp_path / f"{VIT.key}.json")
    every = [RESNET, VIT, NONE]
    assert missing(every, tmp_path, None) == [NONE]
    assert missing(every, tmp_path, "failed") == [VIT, NONE]
    assert missing(every, tmp_path, "all") == every
    other = RESNET.model_copy(update={"side": 96})
    assert missing([other], tmp_path, None) == [other]
    outcome(RESNET, *WELL, versions={"timm": "0"}).save(tmp_path / f"{RESNET.key}.json")
    assert missing(every, tmp_path, None) == [RESNET, NONE]


def test_the_table_tells_each_family_and_why_it_does_not_come_through(tmp_path: Path) -> None:
    refused = Stage(name="map", state="refused", told="no ONNX form of\nthe operator a|b", exit_code=2, seconds=1.0)
    blocked = [Stage(name=name, state="blocked", told="map") for name in STAGES if name not in ("pull", "map")]
    whole = Stage(name="compact", state="whole", told="a norm averages")
    most = [whole if stage.name == "compact" else stage for stage in WELL]
    outcome(RESNET, *most).save(tmp_path / "outcomes" / f"{RESNET.key}.json")
    outcome(VIT, WELL[0], refused, *blocked).save(tmp_path / "outcomes" / f"{VIT.key}.json")
    outcome(NONE, *WELL).save(tmp_path / "outcomes" / f"{NONE.key}.json")  # no member any more
    render(tmp_path / "outcomes", tmp_path, [RESNET, VIT])
    told = (tmp_path / "README.md").read_text()
    assert "**1 of 2 families (50.0 %) come through all stages that apply to them**: 0 through\nall stages, 1" in told
    assert "| map | 1 | 0 | 1 | 0 | 0 | 2.0 |" in told
    assert "| compact | 0 | 1 | 0 | 0 | 1 |  |" in told
    assert "| timm: resnet | compact | whole | a norm averages |" in told
    assert "| transformers: vit | map | refused | no ONNX form of the operator a\\|b |" in told
    signs = ["whole" if name == "compact" else "✓" for name in STAGES]
    assert f"| resnet | test_resnet | 64 | {' | '.join(signs)} | 20 |" in told
    assert f"| vit | ViTForImageClassification | 64 | ✓ | refused | {' | '.join(['·'] * len(blocked))} | 3 |" in told
    assert "nothing" not in told


def test_what_is_committed_is_told_as_measured(tmp_path: Path) -> None:
    render(breadth.OUTCOMES, tmp_path, breadth.members())
    assert (tmp_path / "README.md").read_text() == (breadth.HERE / "README.md").read_text()


def test_every_family_has_a_member() -> None:
    chosen = Members.load(breadth.MEMBERS)
    assert chosen.timm == timm.__version__
    modules = {timm.model_entrypoint(name).__module__ for name in timm.list_models()}  # other tests register some
    known = {module.removeprefix("timm.models.") for module in modules if module.startswith("timm.models.")}
    assert {member.family for member in chosen.members} == known
    assert {member.family.partition("+")[0] for member in transformers_members()} == set(
        MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES
    )


def test_the_smallest_member_with_a_classifier_is_chosen() -> None:
    chosen = timm_member("vision_transformer", ["vit_small_patch8_224", "vit_tiny_patch16_224", "test_vit"])
    assert (chosen.name, chosen.side, chosen.headless) == ("test_vit", 64, False)
    assert chosen.arguments == {"embed_dim": 48, "depth": 2, "num_heads": 2, "img_size": 64}
    assert timm_member("eva", ["vit_tiny_patch16_dinov3_qkvb"]).headless


def test_every_layer_takes_part_in_the_answer() -> None:
    class Silent(nn.Module):
        """A residual branch that starts at nothing."""

        def __init__(self) -> None:
            super().__init__()
            self.stem, self.branch, self.fc = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1), nn.Linear(4, 2)
            self.norm = nn.BatchNorm2d(4)
            nn.init.zeros_(self.norm.weight)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.stem(x)
            x = x + self.norm(self.branch(x))
            found: torch.Tensor = self.fc(x.mean((2, 3)))
            return found

    torch.manual_seed(0)
    module = Silent()
    enliven(module, torch.rand(4, 3, 8, 8))
    assert module.norm.momentum == 0.1
    assert not module.training
    assert not torch.equal(module.norm.running_mean, torch.zeros(4))  # type: ignore[arg-type]
    module(torch.rand(2, 3, 8, 8)).pow(2).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().max() > 0 for parameter in module.parameters())


def test_teachers_are_seeded(tmp_path: Path) -> None:
    one, same, other = (build(RESNET, tmp_path / name, seed) for name, seed in (("a", 0), ("b", 0), ("c", 1)))
    weights = [(folder / "model.safetensors").read_bytes() for folder in (one, same, other)]
    assert weights[0] == weights[1] != weights[2]


@pytest.mark.slow
def test_families_go_through_and_one_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    seen: list[Outcome] = []
    members = [RESNET, NONE]
    sweep(members, tmp_path, Limits(stage=120, member=500, workers=2), seen.append, tmp_path / "kept")
    found = outcomes(tmp_path)
    assert {each.member.key for each in seen} == set(found)
    assert [(stage.name, stage.state, stage.told) for stage in found[RESNET.key].stages if stage.state != "ok"] == []
    assert [stage.name for stage in found[RESNET.key].stages] == list(STAGES)
    (made,) = found[NONE.key].stages
    assert (made.name, made.state) == ("build", "failed")
    assert "no_such_architecture" in made.told
    assert (tmp_path / "kept" / RESNET.key / "run" / "student" / "README.md").is_file()
    assert missing(members, tmp_path, None) == []


@pytest.mark.slow
def test_a_network_whose_norms_average_over_channels_is_whole(tmp_path: Path) -> None:
    member = Member(library="transformers", family="bit", name="BitForImageClassification")
    sweep([member], tmp_path, Limits(stage=120, member=500), lambda _: None)
    (found,) = outcomes(tmp_path).values()
    assert {stage.name: stage.state for stage in found.stages if stage.state != "ok"} == {"compact": "whole"}
    assert found.through
    assert found.commit


@pytest.mark.slow
def test_what_takes_too_long_is_ended_and_told(tmp_path: Path) -> None:
    sweep([RESNET], tmp_path / "member", Limits(member=1), lambda _: None)
    sweep([RESNET], tmp_path / "stage", Limits(stage=1), lambda _: None)
    (ended,) = outcomes(tmp_path / "member").values()
    assert (ended.stages[-1].state, ended.stages[-1].told) == ("failed", "ended after 1 s")
    (late,) = outcomes(tmp_path / "stage").values()
    states = {stage.name: stage for stage in late.stages}
    assert states["map"].told == "not finished after 1 s of computing"
    assert states["profile"].state == "blocked"
    assert states["lineage"].state == "blocked"
