"""What the Hub knows of a repo: `model_info`, and the lists of repos."""

from __future__ import annotations

import json
import struct
from collections import Counter
from math import prod
from typing import Any

from tests.fake_hub import access, cards
from tests.fake_hub.call import Call
from tests.fake_hub.records import Commit, Repo
from tests.fake_hub.store import Store
from tests.fake_hub.wire import Response

PAGE = 100


def show(call: Call) -> Response:
    """All that is known of one repo at a revision, or what `expand` asks for."""
    commit = call.commit()
    info = _info(call.store, call.repo, commit, blobs=call.request.flag("blobs"))
    if call.request.flag("securityStatus"):
        info["securityRepoStatus"] = {"scansDone": True, "filesWithIssues": []}
    wanted = call.request.query.get("expand")
    return Response.of({key: info[key] for key in ("id", *wanted) if key in info} if wanted else info)


def listing(call: Call) -> Response:
    """The visible repos of a kind that match author, search, filters and pipeline tag."""
    query = call.request.query
    author, search = call.request.argument("author"), call.request.argument("search").lower()
    rows = []
    for repo in call.store.repos(call.args["kind"]):
        if author not in ("", repo.owner) or search not in repo.id.lower() or not access.may_see(call.user, repo):
            continue
        info = _info(call.store, repo, call.store.commit(repo, "main"), blobs=False)
        wanted = {*query.get("filter", []), *query.get("pipeline_tag", [])}
        if wanted <= set(info["tags"]):
            rows.append(info)
    order = call.request.argument("sort")
    if order in ("lastModified", "createdAt", "downloads", "likes"):
        rows.sort(key=lambda info: info[order], reverse=True)
    if not (call.request.flag("full") or "expand" in query):
        for info in rows:
            del info["siblings"], info["usedStorage"]
    return call.paged(rows, PAGE)


def _info(store: Store, repo: Repo, commit: Commit, *, blobs: bool) -> dict[str, Any]:
    def text(path: str) -> str:
        file = commit.tree.get(path)
        return store.objects.read(file.sha256).decode(errors="replace") if file else ""

    card = cards.read(text("README.md"))
    config = _config(text("config.json"))
    library = card.get("library_name") or ("transformers" if config.get("model_type") else None)
    created = repo.created
    info = {
        "_id": repo.id,
        "id": repo.id,
        "author": repo.owner,
        "sha": commit.oid,
        "lastModified": commit.date,
        "createdAt": created,
        "private": repo.private,
        "gated": repo.gated,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": _tags(card, library, commit),
        "cardData": json.loads(json.dumps(card, default=str)),
        "siblings": [_sibling(path, commit, blobs=blobs) for path in commit.tree],
        "usedStorage": sum(file.size for file in commit.tree.values()),
    }
    if repo.kind == "models":
        optional = {
            "modelId": repo.id,
            "library_name": library,
            "pipeline_tag": card.get("pipeline_tag"),
            "config": config,
            "model-index": info["cardData"].get("model-index"),
            "baseModels": _listed(card.get("base_model")) or None,
            "safetensors": _safetensors(store, commit),
        }
        info |= {key: value for key, value in optional.items() if value is not None}
    return info


def _sibling(path: str, commit: Commit, *, blobs: bool) -> dict[str, Any]:
    file = commit.tree[path]
    if not blobs:
        return {"rfilename": path}
    row: dict[str, Any] = {"rfilename": path, "size": file.size, "blobId": file.oid}
    if file.lfs:
        row["lfs"] = {"sha256": file.sha256, "size": file.size, "pointerSize": file.pointer_size}
    return row


def _config(text: str) -> dict[str, Any]:
    """The few keys of `config.json` that the Hub repeats."""
    try:
        data = json.loads(text)
    except ValueError:
        return {}
    keys = ("architectures", "architecture", "model_type", "quantization_config")
    return {key: data[key] for key in keys if key in data} if isinstance(data, dict) else {}


def _tags(card: dict[str, Any], library: str | None, commit: Commit) -> list[str]:
    """The tags of the card, and those that the Hub derives from its other fields and from the files."""
    tags = [str(tag) for tag in [library, card.get("pipeline_tag")] if tag]
    if any(path.endswith(".safetensors") for path in commit.tree):
        tags.append("safetensors")
    tags += [str(tag) for tag in _listed(card.get("tags"))]
    tags += [str(language) for language in _listed(card.get("language"))]
    for field, prefix in (("datasets", "dataset"), ("base_model", "base_model"), ("license", "license")):
        tags += [f"{prefix}:{value}" for value in _listed(card.get(field))]
    relation = card.get("base_model_relation") or "finetune"
    tags += [f"base_model:{relation}:{base}" for base in _listed(card.get("base_model"))]
    return list(dict.fromkeys(tags))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _safetensors(store: Store, commit: Commit) -> dict[str, Any] | None:
    """Number of parameters by data type, over the safetensors files at the root; None without such files."""
    counts: Counter[str] = Counter()
    files = [file for path, file in commit.tree.items() if path.endswith(".safetensors") and "/" not in path]
    for file in files:
        with store.objects.path(file.sha256).open("rb") as stream:
            try:
                (length,) = struct.unpack("<Q", stream.read(8))
                header = json.loads(stream.read(min(length, file.size)))
                tensors = [tensor for name, tensor in header.items() if name != "__metadata__"]
                counts.update(dict.fromkeys((tensor["dtype"] for tensor in tensors), 0))
                for tensor in tensors:
                    counts[tensor["dtype"]] += prod(tensor["shape"])
            except (struct.error, ValueError, KeyError, TypeError, AttributeError):
                continue  # not a safetensors file, whatever its name
    return {"parameters": dict(counts), "total": sum(counts.values())} if counts else None
