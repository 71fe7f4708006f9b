"""The job of the README, through the command line and the real Hub clients, against the loopback Hub."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

from tests import warm
from tests.fake_hub import HubServer, User
from tests.images import COLOURS, write_parquet
from tests.run.tiny import RECIPE, write_job

pytestmark = pytest.mark.slow

Command = Callable[..., subprocess.CompletedProcess[str]]
SHORT = (
    RECIPE.replace("[finetune, retrain, magnitude, random]", "[finetune]")
    .replace(", clean_teacher: ./teacher", "")
    .replace("./teacher", "hubslice-tests/tiny-teacher")
)
STUDENT = "alice/tiny-student"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    with HubServer(tmp_path_factory.mktemp("hub"), tokens={"hf_alice": User("alice", role="write")}) as server:
        yield server


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, hub: HubServer) -> Path:
    folder = tmp_path_factory.mktemp("job")
    recipe = write_job(folder, SHORT)
    (folder / "teacher" / "README.md").write_text("---\nlicense: mit\nlibrary_name: timm\n---\n# Tiny teacher\n")
    hub.seed("hubslice-tests/tiny-teacher", folder / "teacher")
    return recipe


@pytest.fixture(scope="module")
def hubslice(job: Path, hub: HubServer) -> Command:
    environment = os.environ | hub.env(job.parent / "home", "hf_alice") | {"HUBSLICE_CACHE": str(job.parent / "cache")}
    environment["PYTHONPATH"] = str(Path.cwd())

    def run(*arguments: str, python: str | None = None) -> subprocess.CompletedProcess[str]:
        given = ("-c", python) if python else ("-m", "hubslice", *arguments)
        return warm.run(*given, env=environment, cwd=job.parent)

    return run


def told(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_pull_tells_what_it_found(hubslice: Command, hub: HubServer) -> None:
    found = told(hubslice("pull", "hubslice-tests/tiny-teacher", "--json"))
    assert found["commit"] == hub.commits("hubslice-tests/tiny-teacher")[0].oid
    assert found["architecture"] == "test_resnet"
    assert found["license"] == "mit"
    assert {file["path"] for file in found["files"]} == {"README.md", "config.json", "model.safetensors"}
    assert found["parity"]["max_abs_difference"] <= found["parity"]["tolerance"]
    assert all(Path(path).exists() for path in found["paths"].values())


def test_pull_of_something_missing_ends_with_3(hubslice: Command) -> None:
    done = hubslice("pull", "hubslice-tests/nothing")
    assert done.returncode == 3
    assert "hubslice-tests/nothing" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_dry_run_does_nothing_and_estimates(hubslice: Command, job: Path) -> None:
    plan = told(hubslice("slice", str(job), "--dry-run", "--json"))
    assert [step["name"] for step in plan["steps"]][:3] == ["pull", "data", "export"]
    assert not any(step["cached"] for step in plan["steps"])
    assert plan["seconds"] > 0
    assert plan["peak_mib"] > 100
    assert next(step for step in plan["steps"] if step["name"] == "pull")["bytes"] > 100_000
    assert not (job.parent / "runs").exists()


@pytest.fixture(scope="module")
def pushed(hubslice: Command, job: Path) -> dict[str, Any]:
    told(hubslice("slice", str(job), "--out", "run", "--json"))
    plan = told(hubslice("push", "run", STUDENT, "--dry-run", "--json"))
    assert not plan["exists"]
    result: dict[str, Any] = told(hubslice("push", "run", STUDENT, "--json"))
    return result


def test_one_commit_holds_all(pushed: dict[str, Any], hub: HubServer, job: Path) -> None:
    commits = hub.commits(STUDENT)
    assert commits[0].oid == pushed["commit"]
    assert len(commits) == 2  # the repository's first commit, and ours
    files = hub.files(STUDENT)
    assert {"README.md", "config.json", "model.safetensors", "slice.safetensors", "report.json", "recipe.yaml"} <= set(
        files
    )
    assert any(name.startswith("evidence/") for name in files)
    assert any(name.startswith("plots/") for name in files)
    card = files["README.md"].decode()
    assert "license: mit" in card
    assert f"hf-hub:{STUDENT}" in card
    assert str(job.parent) not in card


def test_pushing_again_changes_nothing(pushed: dict[str, Any], hubslice: Command, hub: HubServer) -> None:
    again = told(hubslice("push", "run", STUDENT, "--json"))
    assert not again["pushed"]
    assert hub.commits(STUDENT)[0].oid == pushed["commit"]


def test_people_keep_their_words(pushed: dict[str, Any], hubslice: Command, hub: HubServer) -> None:
    python = f"""
from huggingface_hub import HfApi, hf_hub_download
text = open(hf_hub_download({STUDENT!r}, "README.md")).read() + "\\n## A note by a person\\nMind the gap.\\n"
HfApi().upload_file(path_or_fileobj=text.encode(), path_in_repo="README.md", repo_id={STUDENT!r})
"""
    done = hubslice(python=python)
    assert done.returncode == 0, done.stderr
    told(hubslice("card", "run", "card.title=Another title", "--json"))
    told(hubslice("push", "run", STUDENT, "--json"))
    card = hub.files(STUDENT)["README.md"].decode()
    assert "Mind the gap." in card
    assert "Another title" in card


def test_a_student_as_a_difference_to_its_teacher(
    pushed: dict[str, Any], hubslice: Command, hub: HubServer, job: Path
) -> None:
    """Smaller on the Hub, the same student where it is loaded."""
    name = f"{STUDENT}-delta"
    sent = told(hubslice("push", "run", name, "--delta", "--json"))
    files, whole = hub.files(name), hub.files(STUDENT)
    assert "model.safetensors" not in files
    assert sent["delta"]["teacher"] == "hubslice-tests/tiny-teacher"
    assert sent["delta"]["commit"] == hub.commits("hubslice-tests/tiny-teacher")[0].oid
    assert sent["delta"]["bytes"] == len(files["delta.safetensors"]) < sent["delta"]["bytes_whole"]
    assert sent["delta"]["bytes_whole"] == len(whole["model.safetensors"])
    card = files["README.md"].decode()
    assert f'hubslice.load("{name}")' in card
    assert "timm.create_model" not in card
    python = f"""
import hashlib
import hubslice
from hubslice.hub.pull import fetch
from hubslice.hub.ref import HubRef
pair = [hubslice.load(name).module.state_dict() for name in ({STUDENT!r}, {name!r})]
assert all(tensor.equal(pair[1][key]) for key, tensor in pair[0].items()) and pair[0].keys() == pair[1].keys()
folder = fetch(HubRef({name!r}, {name!r})).folder
print(hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest())
"""
    done = hubslice(python=python)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == hashlib.sha256(whole["model.safetensors"]).hexdigest()
    (parent,) = told(hubslice("lineage", name, "--candidates", "hubslice-tests/tiny-teacher", "--json"))["candidates"]
    assert (parent["candidate"], parent["verdict"]) == ("hubslice-tests/tiny-teacher", "descendant")
    found = told(hubslice("verify", name, "--sample", "8", "--json"))
    assert (found["verified"], found["commit"]) == (True, hub.commits(name)[0].oid)
    assert told(hubslice("verify", "run/student-delta", "--sample", "8", "--json"))["verified"]
    for path, content in files.items():  # a copy of what is on the Hub
        (job.parent / "copy" / path).parent.mkdir(parents=True, exist_ok=True)
        (job.parent / "copy" / path).write_bytes(content)
    assert told(hubslice("verify", "copy", "--sample", "8", "--json"))["verified"]


def test_a_stranger_verifies_it(pushed: dict[str, Any], hubslice: Command, hub: HubServer) -> None:
    """After a person wrote into the card."""
    found = told(hubslice("verify", STUDENT, "--sample", "8", "--json"))
    assert found["commit"] == hub.commits(STUDENT)[0].oid
    assert found["verified"]
    assert [f["name"] for f in found["findings"] if f["state"] == "not checked"] == [
        "model.sig",
        "accuracy on the data",
        "the card's snippet",
    ]
    assert f"hubslice verify {STUDENT}\n" in hub.files(STUDENT)["README.md"].decode()
    assert told(hubslice("verify", "run", "--sample", "8", "--json"))["verified"]


def test_plain_timm_loads_it_from_the_hub(pushed: dict[str, Any], hubslice: Command) -> None:
    done = hubslice(python=f'import timm; print(timm.create_model("hf-hub:{STUDENT}", pretrained=True).num_classes)')
    assert done.stdout.strip() == "3", done.stderr


def test_a_published_recipe_is_run_again(pushed: dict[str, Any], hubslice: Command, job: Path) -> None:
    assert hubslice("slice", STUDENT, "--locked", "--dry-run").returncode == 2  # it names a path, which ours may be
    data = "data.path=./shapes.parquet"
    again = told(hubslice("slice", STUDENT, data, "--locked", "--until", "slice", "--out", "again", "--json"))
    first = (job.parent / "run" / "slice.safetensors").read_bytes()
    assert (Path(job.parent, again["folders"][0]) / "slice.safetensors").read_bytes() == first


def test_info_tells_steps_and_results(pushed: dict[str, Any], hubslice: Command) -> None:
    found = told(hubslice("info", "run", "--json"))
    assert {step["state"] for step in found["steps"]} == {"done"}
    assert found["report"]["arms"][0]["name"] == "student"
    human = hubslice("info", "run")
    assert "Student" in human.stdout
    assert "ReMoS" in human.stdout
    assert "DIR (%)" in human.stdout


def test_profile_is_a_verb_of_its_own(pushed: dict[str, Any], hubslice: Command) -> None:
    found = told(hubslice("profile", "run", "--force", "--json"))
    assert found["provider"] == "CPUExecutionProvider"
    assert found["samples"] > 0
    assert found["tensors"]


def test_a_broken_gate_ends_with_1(hubslice: Command, job: Path) -> None:
    done = hubslice("slice", str(job), "gates.min_test_accuracy=1.0", "--out", "run", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["report"]["gates"][0]["passed"] is False
    assert "min_test_accuracy" in done.stderr


def test_a_transformers_student_loads_with_automodel(hubslice: Command, hub: HubServer, job: Path) -> None:
    folder = job.parent / "vit"
    config = ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=32, patch_size=8
    )
    torch.manual_seed(0)
    ViTForImageClassification(config).save_pretrained(folder)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    hub.seed("hubslice-tests/tiny-vit", folder)
    write_parquet(job.parent / "shapes.parquet")
    recipe = job.parent / "vit.yaml"
    recipe.write_text(
        "kind: slice\nname: vit\nteacher: {model: hubslice-tests/tiny-vit}\n"
        "data: {path: ./shapes.parquet, group: group}\nslice: {method: remos, ratio: 0.1}\n"
        "train: {epochs: 1, batch_size: 16, optimizer: adamw, lr: 0.001, head_lr_factor: 1.0}\n"
        "audit: {defects: [{kind: penultimate, eps: [8], steps: 2, objectives: [guided]}]}\n"
    )
    report = told(hubslice("slice", str(recipe), "--out", "vit-run", "--json"))["report"]
    assert report["teacher"]["library"] == "transformers"
    assert {layer["kind"] for layer in report["slice"]["layers"]} == {"conv", "linear"}
    told(hubslice("push", "vit-run", "alice/tiny-vit-student", "--private", "--json"))
    assert told(hubslice("verify", "vit-run", "--json"))["verified"]
    done = hubslice(
        python="""
import torch
from transformers import AutoImageProcessor, AutoModelForImageClassification
model = AutoModelForImageClassification.from_pretrained("alice/tiny-vit-student")
processor = AutoImageProcessor.from_pretrained("alice/tiny-vit-student")
pixels = torch.randint(256, (3, 32, 32), dtype=torch.uint8)
print(sorted(model.config.id2label.values()), model(**processor(pixels, return_tensors="pt")).logits.shape[1])
"""
    )
    assert done.stdout.strip() == f"{sorted(COLOURS)} 3", done.stderr
