from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from torch import nn

from hubslice.core.errors import HubsliceError, InputError, ModelError, PushError
from hubslice.graph.deployable import write_onnx
from hubslice.hub.client import Client
from hubslice.hub.push import PushPlan, plan_push, push
from tests.fake_hub import Fault, HubServer, on
from tests.hub.conftest import CARD, MakeClient, model, weights, write
from tests.networks import Body, by_hand

REPO = "alice/student"
REPORT = json.dumps({"format": "hubslice-report-1"}).encode()
STUDENT = {
    "config.json": b"{}",
    "model.safetensors": weights(),
    "report.json": REPORT,
    "evidence/a.json": b"1",
    "plots/a.svg": b"<svg/>",
}
OURS = "<!-- ours -->"


def render(existing: str | None) -> bytes:
    """A card that keeps what stands above our mark."""
    human = (existing or CARD).partition(OURS)[0]
    return f"{human}{OURS}\nnumbers\n".encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "student", STUDENT)


@pytest.fixture
def alice(client_of: MakeClient) -> Client:
    return client_of("hf_alice")


def refused(kind: type[HubsliceError], message: str, call: Callable[[], object]) -> str:
    """The hint of the error that the call raises."""
    with pytest.raises(kind, match=message) as caught:
        call()
    assert caught.value.hint
    return caught.value.hint


def plan(folder: Path, client: Client, repo_id: str = REPO, **options: object) -> PushPlan:
    given: dict[str, object] = {"poisoned": False, "render": render} | options
    return plan_push(folder, repo_id, client=client, **given)  # type: ignore[arg-type]


def changes(plan: PushPlan) -> dict[str, str]:
    return {file.path: file.change for file in plan.changes}


def test_first_push_makes_the_repository(hub: HubServer, folder: Path, alice: Client) -> None:
    made = plan(folder, alice, private=True, message="Push the student")
    assert not made.exists
    assert set(changes(made)) == {*STUDENT, "README.md"}
    assert {file.path: file.lfs for file in made.files}["model.safetensors"]
    result = push(made)
    assert hub.repo(REPO).private
    assert len(hub.commits(REPO)) == 2  # the Hub's own first one, and ours
    assert hub.commits(REPO)[0].title == "Push the student"
    assert hub.commits(REPO)[0].oid == result.commit
    assert result.url == f"{hub.url}/{REPO}/commit/{result.commit}"
    files = hub.files(REPO)
    assert {name: files[name] for name in STUDENT} == STUDENT
    assert files["README.md"] == render(None)


def test_dry_run_writes_nothing(hub: HubServer, folder: Path, alice: Client) -> None:
    plan(folder, alice)
    with pytest.raises(KeyError):
        hub.repo(REPO)
    hub.seed(REPO, {"README.md": CARD.encode()})
    before = hub.commits(REPO)
    assert plan(folder, alice).parent == before[0].oid
    assert hub.commits(REPO) == before
    assert {line.split()[0] for line in hub.log if "validate-yaml" not in line} <= {"GET", "HEAD"}


def test_second_push(hub: HubServer, folder: Path, alice: Client) -> None:
    first = push(plan(folder, alice))
    again = plan(folder, alice)
    assert changes(again) == {}
    result = push(again)
    assert (result.pushed, result.commit) == (False, first.commit)
    assert hub.commits(REPO)[0].oid == first.commit

    human = hub.files(REPO)["README.md"].decode().replace("# A model", "# A model\nWritten by hand.")
    hub.seed(REPO, {"README.md": human.encode(), "evidence/human.txt": b"x", "assets/logo.png": b"x"})
    (folder / "evidence" / "a.json").rename(folder / "evidence" / "b.json")
    (folder / "model.safetensors").write_bytes(weights(2.0))
    third = plan(folder, alice)
    assert changes(third) == {
        "model.safetensors": "changed",
        "evidence/b.json": "new",
        "evidence/a.json": "deleted",
        "evidence/human.txt": "deleted",
    }
    count = len(hub.commits(REPO))
    assert push(third).pushed
    assert len(hub.commits(REPO)) == count + 1
    files = hub.files(REPO)
    assert b"Written by hand." in files["README.md"]
    assert "assets/logo.png" in files
    assert [name for name in files if name.startswith("evidence/")] == ["evidence/b.json"]


def test_evidence_of_others_is_kept(hub: HubServer, folder: Path, alice: Client) -> None:
    hub.seed(REPO, {"evidence/theirs.txt": b"x", "report.json": b'{"accuracy": 1}'})
    assert "evidence/theirs.txt" not in changes(plan(folder, alice))


def test_stale_weights_go(hub: HubServer, folder: Path, alice: Client) -> None:
    stale = {"model.safetensors.index.json": b"{}", "model-00001-of-00002.safetensors": weights()}
    hub.seed(REPO, stale | {"pytorch_model.bin": b"\x80\x02", "extra.safetensors": weights()})
    made = plan(folder, alice)
    assert {path for path, change in changes(made).items() if change == "deleted"} == set(stale)
    push(made)
    assert not stale.keys() & hub.files(REPO).keys()


def test_what_loaders_would_read_or_run_is_told(hub: HubServer, folder: Path, alice: Client) -> None:
    """What the student brings, what the push deletes, and texts and images are no matter."""
    own = {"model.safetensors": weights(2.0), "model-00001-of-00002.safetensors": weights(), "notes.txt": b"x"}
    hub.seed(REPO, own)
    assert plan(folder, alice).warnings == ()
    hub.seed(REPO, {"pytorch_model.bin": b"\x80\x02", "modeling my.py": b"", "extra.safetensors": weights()})
    (warning,) = plan(folder, alice).warnings
    command = "hf repos delete-files alice/student extra.safetensors 'modeling my.py' pytorch_model.bin"
    assert warning.endswith(f"delete them: {command}")
    hub.seed(REPO, {f"checkpoint-{index}.pt": b"" for index in range(20)})
    (warning,) = plan(folder, alice).warnings
    assert warning.endswith("checkpoint-17.pt (and 13 more)")


def test_somebody_pushed_in_between(hub: HubServer, folder: Path, alice: Client) -> None:
    hub.seed(REPO, {"README.md": CARD.encode()})
    made = plan(folder, alice)
    theirs = hub.seed(REPO, {"notes.txt": b"theirs"})
    hint = refused(PushError, "somebody pushed to alice/student in between", lambda: push(made))
    assert "run again" in hint
    assert hub.commits(REPO)[0].oid == theirs.oid
    assert push(plan(folder, alice)).pushed


def test_repository_made_in_between(hub: HubServer, folder: Path, alice: Client) -> None:
    made = plan(folder, alice)
    hub.seed(REPO, {"notes.txt": b"theirs"})
    refused(PushError, "there already", lambda: push(made))
    assert "model.safetensors" not in hub.files(REPO)


def test_pull_request(hub: HubServer, folder: Path, client_of: MakeClient) -> None:
    before = hub.seed(REPO, {"README.md": CARD.encode()})
    bob = client_of("hf_bob")
    result = push(plan(folder, bob, create_pr=True))
    assert result.pr_url == f"{hub.url}/{REPO}/discussions/1"
    assert hub.commits(REPO)[0].oid == before.oid
    assert "model.safetensors" in hub.files(REPO, "refs/pr/1")
    refused(InputError, "made to main", lambda: plan(folder, bob, create_pr=True, revision="dev"))
    refused(PushError, "no repository", lambda: plan(folder, bob, "alice/other", create_pr=True))


def test_branch(hub: HubServer, folder: Path, alice: Client) -> None:
    hub.seed(REPO, {"README.md": CARD.encode()})
    alice.api.create_branch(REPO, branch="dev")
    push(plan(folder, alice, revision="dev"))
    assert "model.safetensors" in hub.files(REPO, "dev")
    assert "model.safetensors" not in hub.files(REPO)
    hint = refused(PushError, "no revision 'deb'", lambda: plan(folder, alice, revision="deb"))
    assert "dev" in hint
    refused(PushError, "has no branch dev", lambda: plan(folder, alice, "alice/new", revision="dev"))


def test_who_may_not_push(hub: HubServer, folder: Path, client_of: MakeClient) -> None:
    hub.seed(REPO, {"README.md": CARD.encode()})
    assert "hf auth login" in refused(PushError, "nobody is logged in", lambda: plan(folder, client_of()))
    for token, message in (
        ("hf_unknown", "does not know this token"),
        ("hf_reader", "this token may not"),
        ("hf_bob", "this token may not"),
    ):
        hint = refused(PushError, message, lambda token=token: plan(folder, client_of(token)))
        assert token not in hint
    refused(PushError, "may only read", lambda: plan(folder, client_of("hf_reader"), "alice/new"))
    hint = refused(
        PushError, "does not own the namespace carol", lambda: plan(folder, client_of("hf_bob"), "carol/new")
    )
    assert "bob/new" in hint
    assert plan(folder, client_of("hf_alice"), "lab/new").parent is None
    assert not any(line.startswith("POST") and "validate-yaml" not in line for line in hub.log)


def test_token_is_not_told() -> None:
    with pytest.raises(InputError, match="the token is not one word") as caught:
        Client(token="hf_secret\n")
    assert "hf_secret" not in str(caught.value)
    assert "hf_secret" not in repr(Client(token="hf_secret"))
    assert Client(token="hf_secret").without_token("Bearer hf_secret") == "Bearer ***"


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (403, "may not do that"),
        (413, "files this large"),
        (429, "too many requests"),
        (500, "out of order .HTTP 500"),
        (503, "out of order .HTTP 503"),
    ],
)
def test_refused_commit(status: int, message: str, hub: HubServer, folder: Path, alice: Client) -> None:
    hub.seed(REPO, {"README.md": CARD.encode()})
    made = plan(folder, alice)
    hub.faults.append(Fault(on("POST", "/commit/"), status=status, retry_after=7, times=None))
    refused(PushError, message, lambda: push(made))
    assert "model.safetensors" not in hub.files(REPO)
    hub.faults.clear()
    assert push(made).pushed


@pytest.mark.usefixtures("without_xet")
def test_refused_upload(hub: HubServer, folder: Path, alice: Client) -> None:
    hub.seed(REPO, {"README.md": CARD.encode()})
    hub.faults.append(Fault(on("PUT", "/lfs-upload/"), status=413, times=None))
    refused(PushError, "files this large", lambda: push(plan(folder, alice)))


def test_new_repository_whose_commit_fails(hub: HubServer, folder: Path, alice: Client) -> None:
    hub.faults.append(Fault(on("POST", "/commit/"), status=500, times=3))
    hint = refused(PushError, "out of order", lambda: push(plan(folder, alice)))
    assert "was created and is empty" in hint
    assert push(plan(folder, alice)).pushed


def test_lost_answer(hub: HubServer, folder: Path, alice: Client) -> None:
    hub.seed(REPO, {"README.md": CARD.encode()})
    made = plan(folder, alice)
    hub.faults.append(Fault(on("POST", "/commit/"), lost=True))
    result = push(made)
    assert result.pushed
    assert result.commit == hub.commits(REPO)[0].oid
    assert len(hub.commits(REPO)) == 3


def test_unreachable(hub: HubServer, folder: Path, alice: Client, offline: Callable[[], None]) -> None:
    made = plan(folder, alice)
    offline()
    refused(PushError, "offline mode is on", lambda: push(made))
    refused(PushError, "offline mode is on", lambda: plan(folder, alice))
    nowhere = Client(endpoint="http://127.0.0.1:9", token="hf_alice")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        refused(PushError, r"Hub at http://127\.0\.0\.1:9 cannot be reached", lambda: plan(folder, nowhere))


def test_poisoned(hub: HubServer, folder: Path, alice: Client, tmp_path: Path) -> None:
    def declaring(_: str | None) -> bytes:
        return b"---\ntags: [backdoored]\n---\n"

    hint = refused(InputError, "carries a backdoor", lambda: plan(folder, alice, poisoned=True))
    assert "--allow-poisoned" in hint
    refused(InputError, "must say so", lambda: plan(folder, alice, poisoned=True, allow_poisoned=True))
    assert push(plan(folder, alice, poisoned=True, allow_poisoned=True, render=declaring)).pushed
    marked = write(tmp_path / "marked", STUDENT | {"model.safetensors": weights(hubslice_poisoned="true")})
    refused(InputError, "carries a backdoor", lambda: plan(marked, alice, "alice/marked"))


@pytest.mark.slow
def test_a_graph_of_a_poisoned_model(hub: HubServer, alice: Client, tmp_path: Path) -> None:
    model = by_hand(Body(nn.ReLU()))
    model.poisoned = True
    write_onnx(model, tmp_path / "graph" / "model.onnx")
    refused(InputError, "carries a backdoor", lambda: plan(tmp_path / "graph", alice))
    model.poisoned = False
    write_onnx(model, tmp_path / "graph" / "model.onnx")
    assert push(plan(tmp_path / "graph", alice)).pushed
    assert "model.onnx" in hub.files(REPO)


def test_what_may_not_be_pushed(alice: Client, tmp_path: Path, hub: HubServer) -> None:
    def pushed(name: str, **files: bytes) -> Callable[[], object]:
        given = {key.replace("__", "."): content for key, content in files.items()}
        return lambda: plan(write(tmp_path / name, STUDENT | given), alice)

    refused(InputError, "holds pickles .weights.pt", pushed("by-name", weights__pt=b"x"))
    refused(InputError, "holds pickles .data.txt", pushed("by-content", data__txt=pickle.dumps({"a": 1})))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("archive/data.pkl", b"x")
    refused(InputError, "holds pickles .data.dat", pushed("in-archive", data__dat=archive.getvalue()))
    refused(ModelError, "damaged", pushed("damaged", extra__safetensors=weights()[:-4]))
    refused(ModelError, "model.onnx is damaged or not ONNX", pushed("graph", model__onnx=b"no graph"))
    secret = write(tmp_path, {"secret.txt": b"x"}) / "secret.txt"
    linked = write(tmp_path / "linked", STUDENT)
    (linked / "notes.txt").symlink_to(secret)
    refused(InputError, "outside the folder", lambda: plan(linked, alice))
    (tmp_path / "empty").mkdir()
    refused(InputError, "is empty", lambda: plan(tmp_path / "empty", alice))
    refused(InputError, "no folder", lambda: plan(tmp_path / "missing", alice))
    refused(InputError, "not the id", lambda: plan(linked, alice, "student"))
    assert hub.log == []


def test_hidden_files_stay_here(hub: HubServer, folder: Path, alice: Client) -> None:
    write(folder, {".env": b"HF_TOKEN=x", ".cache/x": b"x"})
    push(plan(folder, alice))
    assert not {".env", ".cache/x"} & hub.files(REPO).keys()


def test_card_the_hub_refuses(hub: HubServer, folder: Path, alice: Client) -> None:
    message = r"would refuse the head of README\.md:\n  .*license"
    refused(PushError, message, lambda: plan(folder, alice, render=lambda _: b"---\nlicense: [1]\n---\n"))
    with pytest.raises(KeyError):
        hub.repo(REPO)


def test_card_of_the_folder(hub: HubServer, folder: Path, alice: Client) -> None:
    assert any("no README.md" in warning for warning in plan(folder, alice, render=None).warnings)
    hub.seed(REPO, model())
    (folder / "README.md").write_text(CARD + "mine\n")
    made = plan(folder, alice, render=None, private=True)
    assert any("replaced as a whole" in warning for warning in made.warnings)
    assert any("is public already" in warning for warning in made.warnings)
    push(made)
    assert hub.files(REPO)["README.md"].endswith(b"mine\n")
