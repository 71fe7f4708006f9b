"""The YAML head of a README: reading it, and what the Hub refuses in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import yaml

HEAD = re.compile(r"^(\s*---(?:\r\n|\r|\n))([\S\s]*?)((?:\r\n|\r|\n)---[ \t]*(\r\n|\n|$))")
RELATIONS = ("adapter", "merge", "quantized", "finetune")


class _Loader(yaml.SafeLoader):
    """Safe YAML that refuses a key given twice, as the Hub's parser does."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"duplicated mapping key {key!r}", node.start_mark)
        return super().construct_mapping(node, deep)


def read(content: str) -> dict[str, Any]:
    """The metadata of a card; empty where there is none or where it cannot be read."""
    try:
        data = _parse(content)
    except yaml.YAMLError:
        return {}
    return data if isinstance(data, dict) else {}


def faults(content: str, kind: str = "models") -> list[str]:
    """All reasons to refuse a card, as messages; an empty list for a good one."""
    try:
        data = _parse(content)
    except yaml.YAMLError as error:
        return [f"Invalid YAML metadata: {' '.join(str(error).split())}"]
    if data is None:
        return []
    if not isinstance(data, dict):
        return ["Metadata must be a mapping of names to values"]
    return list(_faults(data, kind))


def _parse(content: str) -> Any:
    head = HEAD.search(content)
    return yaml.load(head.group(2), Loader=_Loader) if head else None


def _faults(data: dict[str, Any], kind: str) -> Iterator[str]:
    for name, (rule, text) in _RULES.items():
        if data.get(name) is not None and not rule(data[name]):
            yield f'"{name}" {text}'
    licences = data.get("license")
    if licences is not None:
        several = kind == "datasets" and isinstance(licences, list)
        if not all(_is_licence(licence) for licence in (licences if several else [licences])):
            yield '"license" must be a string, one of the known licence ids such as "apache-2.0" or "other"'
    if data.get("model-index") is not None:
        yield from (f'"model-index{where}" {text}' for where, text in _index_faults(data["model-index"]))


def _index_faults(index: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(index, list):
        yield "", "must be an array"
        return
    for i, model in enumerate(index):
        where = f"[{i}]"
        if not isinstance(model, dict) or not isinstance(model.get("name"), str):
            yield f"{where}.name", "is required"
            continue
        if not isinstance(model.get("results"), list):
            yield f"{where}.results", "must be an array"
            continue
        for j, result in enumerate(model["results"]):
            yield from _result_faults(result, f"{where}.results[{j}]")


def _result_faults(result: Any, where: str) -> Iterator[tuple[str, str]]:
    if not isinstance(result, dict):
        yield where, "must be an object"
        return
    for part, fields in (("task", ("type",)), ("dataset", ("type", "name"))):
        for name in fields:
            if not isinstance(result.get(part), dict) or not isinstance(result[part].get(name), str):
                yield f"{where}.{part}.{name}", "is required"
    metrics = result.get("metrics")
    if not isinstance(metrics, list) or not metrics:
        yield f"{where}.metrics", "must be an array with at least one metric"
        return
    for k, metric in enumerate(metrics):
        if not isinstance(metric, dict) or not isinstance(metric.get("type"), str):
            yield f"{where}.metrics[{k}].type", "is required"
        elif metric.get("value") is None:
            yield f"{where}.metrics[{k}].value", "is required"


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(_is_text(each) for each in value)


def _is_text_or_texts(value: Any) -> bool:
    return _is_text(value) or _is_texts(value)


def _is_licence(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", value) is not None


_Rule = tuple[Callable[[Any], bool], str]
_TEXT: _Rule = (_is_text, "must be a string")
_TEXTS: _Rule = (_is_texts, "must be an array of strings")
_EITHER: _Rule = (_is_text_or_texts, "must be a string or an array of strings")
_RULES: dict[str, _Rule] = {
    "base_model": _EITHER,
    "base_model_relation": (lambda value: value in RELATIONS, f"must be one of {', '.join(RELATIONS)}"),
    "datasets": _EITHER,
    "language": _EITHER,  # `no` is a boolean in YAML, and a language
    "library_name": _TEXT,
    "license_link": _TEXT,
    "license_name": _TEXT,
    "metrics": _EITHER,
    "pipeline_tag": _TEXT,
    "tags": _TEXTS,
}
