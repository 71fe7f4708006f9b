"""The accuracy on a benchmark of the Hub: published for its leaderboard, verified, gone when the recipe drops it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml
from huggingface_hub import parse_eval_result_entries

from hubslice.core.errors import RecipeError
from hubslice.files.names import RESULTS
from hubslice.recipe.load import parse_recipe
from tests import warm
from tests.fake_hub import HubServer, User
from tests.images import write_parquet
from tests.run.tiny import write_job

RECIPE = """\
kind: slice
name: ranked
teacher: {model: ./teacher, input_size: 32}
data: {path: alice/shapes, splits: {train: train, validation: 0.2, test: test}}
train: {epochs: 1, batch_size: 32}
card: {benchmark: {task: shapes, percent: true}}
"""


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("alice/shapes", "./shapes.parquet", "a result on a data set of the Hub, and data.path is ./shapes.parquet"),
        ("splits:", "limit: 5, splits:", "on all of the test split; leave data.classes and limit out"),
        (
            "{train: train, validation: 0.2, test: test}",
            "{train: 0.6, validation: 0.2, test: 0.2}",
            "name it in data.s",
        ),
        ("task: shapes", "task: 'a b'", "task"),
    ],
)
def test_what_is_no_result_of_a_benchmark(old: str, new: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(RECIPE.replace(old, new), tmp_path, "recipe.yaml")
    assert says in caught.value.message
    parse_recipe(RECIPE, tmp_path, "recipe.yaml")


@pytest.mark.slow
def test_a_result_is_published_and_verified(tmp_path: Path) -> None:
    with HubServer(tmp_path / "hub", {"hf_alice": User("alice")}) as hub:
        names = {"data/train.parquet": 60, "data/test.parquet": 30}
        files = {name: write_parquet(tmp_path / name, number).read_bytes() for name, number in names.items()}
        commit = hub.seed("alice/shapes", files, kind="datasets").oid
        write_job(tmp_path / "job", RECIPE)
        environment = os.environ | hub.env(tmp_path / "home", "hf_alice")

        def hubslice(*arguments: str, code: int = 0) -> dict[str, object]:
            done = warm.run("-m", "hubslice", *arguments, "--json", cwd=tmp_path / "job", env=environment)
            assert done.returncode == code, done.stderr
            found: dict[str, object] = json.loads(done.stdout or done.stderr)
            return found

        def states() -> dict[str, str]:
            found = hubslice("verify", "alice/student", "--sample", "2")["findings"]
            return {each["name"]: each["state"] for each in found}  # type: ignore[attr-defined]

        hubslice("slice", "recipe.yaml", "--out", "run")
        assert RESULTS in str(hubslice("push", "run", "alice/student", "--dry-run")["files"])
        hubslice("push", "run", "alice/student")
        assert hubslice("push", "run", "alice/student")["pushed"] is False
        report = json.loads((tmp_path / "job" / "run" / "report.json").read_text())
        (test,) = (arm["test"] for arm in report["arms"] if arm["name"] == "student")
        (entry,) = parse_eval_result_entries(yaml.safe_load(hub.files("alice/student")[RESULTS]))
        assert (entry.dataset_id, entry.task_id, entry.dataset_revision) == ("alice/shapes", "shapes", commit)
        assert entry.value == round(100 * test["hits"] / test["total"], 2)
        assert entry.source_url == "https://huggingface.co/alice/student"
        assert str(entry.notes).startswith(f"accuracy, n = {test['total']}, 95 % interval ")
        assert states()[RESULTS] == "agrees"

        better = hub.files("alice/student")[RESULTS].replace(str(entry.value).encode(), b"100.0")
        assert better != hub.files("alice/student")[RESULTS]
        hub.seed("alice/student", {RESULTS: better})
        found = hubslice("verify", "alice/student", "--sample", "2", code=1)["findings"]
        assert ("differs", RESULTS) in {(each["state"], each["name"]) for each in found}  # type: ignore[attr-defined]

        (tmp_path / "job" / "recipe.yaml").write_text(RECIPE.replace("card:", "#"))
        hubslice("slice", "recipe.yaml", "--out", "run")
        hubslice("push", "run", "alice/student")
        assert RESULTS not in hub.files("alice/student")
