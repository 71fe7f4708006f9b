"""The Hub's rules for a card's header, as far as they can be checked offline.

The Hub checks `license`, `datasets` and `model-index` on every push and refuses the commit otherwise. Its list of
licenses grows, so one that is not on ours is told, not refused.
"""

from __future__ import annotations

import re
from typing import Any

from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

from hubslice.card.frontmatter import Head, eval_results, parse_head, split_readme
from hubslice.core.errors import InputError
from hubslice.core.escaping import named
from hubslice.recipe.problems import shown, suggest

DATASET_TYPE = re.compile(r"(?:[\w-]+/)?[\w.-]+")

# https://huggingface.co/docs/hub/repositories-licenses
_IDENTIFIERS = """
apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m
afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5
cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0
cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0
cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0
lgpl lgpl-2.1 lgpl-3.0 isc h-research intel-research lppl-1.3c ms-pl apple-ascl apple-amlr mpl-2.0 odc-by odbl
openmdw-1.0 openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl lgpl-lr deepfloyd-if-license
fair-noncommercial-research-license llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 grok2-community gemma unknown
other
"""
LICENSES = frozenset(_IDENTIFIERS.split())


def license_keys(license_: str | None) -> dict[str, str]:
    """Return the header's keys for a licence: none without one, `other` and its name if the Hub has no identifier."""
    if not license_:
        return {}
    identifier = license_.strip().lower()
    if identifier in LICENSES:
        return {"license": identifier}
    return {"license": "other", "license_name": re.sub(r"[^a-z0-9.+-]+", "-", identifier).strip("-") or "unnamed"}


def license_doubts(card: str | None, given: str | None) -> list[str]:
    """What to tell of licenses that are not on our list: that of a recipe (`given`), and those in a README's head.

    Raises:
        InputError: the README's head is not a YAML mapping.
    """
    doubts = []
    if given and given.strip().lower() not in LICENSES:
        doubts.append(f"card.license is {_unlisted(given)}: the card calls it `other`, with that name")
    head = split_readme((card or "").replace("\r\n", "\n"))[0]
    for name in _listed(parse_head(head), "license"):
        if isinstance(name, str) and name not in LICENSES:
            doubts.append(f"the card's license is {_unlisted(name)}: the Hub refuses it if its own list lacks it, too")
    return doubts


def _unlisted(name: str) -> str:
    near = suggest(name.strip().replace(" ", "-"), LICENSES)
    meant = f" ({near.removeprefix('; ')})" if near else ""
    return f"'{named(name)}', which is not among the Hub's licenses that hubslice knows{meant}"


def check_head(text: str) -> None:
    """Check a header (YAML text) by the rules that the Hub applies on a push, without contacting it.

    Licenses that are not on our list pass: `license_doubts` tells of them.

    Raises:
        InputError: it would be refused; the message lists all reasons.
    """
    head = parse_head(text)
    problems = [
        f"`{key}`: {name!r} is not a Hub id"
        for key in ("base_model", "datasets")
        for name in _listed(head, key)
        if not _is_id(name)
    ]
    problems += [
        f"`{key}`: {shown(entry)} is not text"
        for key in ("license", "tags")
        for entry in _listed(head, key)
        if not isinstance(entry, str)
    ]
    for entry in _listed(head, "model-index"):
        if not isinstance(entry, dict) or not entry.get("name"):
            problems.append("`model-index`: an entry has no name")
    for result in eval_results(head.get("model-index")):
        problems += [f"`model-index`: {problem}" for problem in _result_problems(result)]
    if problems:
        raise InputError(
            "the Hub would refuse the card's head:",
            problems,
            hint="mend the recipe's `card` section or the README's own head",
        )


def _listed(head: Head, key: str) -> list[Any]:
    value = head.get(key)
    return [] if value is None else value if isinstance(value, list) else [value]


def _is_id(name: object) -> bool:
    try:
        validate_repo_id(str(name))
    except HFValidationError:
        return False
    return isinstance(name, str)


def _result_problems(result: object) -> list[str]:
    parts = result if isinstance(result, dict) else {}
    task, dataset, metrics = (parts.get(key) for key in ("task", "dataset", "metrics"))
    problems = []
    if not (isinstance(task, dict) and isinstance(task.get("type"), str)):
        problems.append("a result has no `task.type`")
    if not (isinstance(dataset, dict) and isinstance(dataset.get("name"), str)):
        problems.append("a result has no `dataset.name`")
    kind = dataset.get("type") if isinstance(dataset, dict) else None
    if not (isinstance(kind, str) and DATASET_TYPE.fullmatch(kind)):
        problems.append(f"`dataset.type` is {shown(kind)}, not like `name` or `owner/name`")
    if not (isinstance(metrics, list) and metrics):
        problems.append("a result has no metrics")
    for metric in metrics if isinstance(metrics, list) else []:
        if not (isinstance(metric, dict) and isinstance(metric.get("type"), str) and metric.get("value") is not None):
            problems.append(f"a metric ({_of(metric)}) lacks `type` or `value`")
    return problems


def _of(metric: object) -> str:
    """Return a metric's name or type, if it has one."""
    known = metric if isinstance(metric, dict) else {}
    return next((str(known[key]) for key in ("name", "type") if isinstance(known.get(key), str)), shown(metric))
