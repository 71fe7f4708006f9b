"""Entries of a model's JSON whose values are of another kind: each is told with its file and key."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertTokenizer,
    ViTConfig,
    ViTForImageClassification,
)

from hubslice.core.errors import ModelError
from hubslice.files.config import read_object
from hubslice.files.config_entries import KINDS
from hubslice.modality.image.image_processor import plain_settings
from hubslice.modality.text.added_tokens import check_added_tokens
from hubslice.models.folder import load_model
from hubslice.models.load import load
from hubslice.models.timm_adapter import TimmModel
from tests.faults.conftest import Refused
from tests.terminal.conftest import Hubslice

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film")
EVERY = [(file, part, key) for file, parts in KINDS.items() for part, kinds in parts.items() for key in kinds]
MALFORMED: tuple[object, ...] = (
    True,
    -5,
    1.5,
    float("nan"),
    "abc",
    [],
    [None],
    [1, [2]],
    {},
    {"a": 1},
    {"0": []},
    2**70,
)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound model of each kind, by name."""
    folder = tmp_path_factory.mktemp("good")
    TimmModel.create("test_resnet", ("cat", "dog", "owl"), seed=0).save(folder / "timm")
    torch.manual_seed(0)
    sizes = {"num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "hidden_size": 16}
    ViTForImageClassification(ViTConfig(**sizes, image_size=32, patch_size=8)).save_pretrained(folder / "images")
    (folder / "images" / "preprocessor_config.json").write_text(json.dumps(plain_settings(32)))
    config = BertConfig(**sizes, vocab_size=len(WORDS), max_position_embeddings=32)
    BertForSequenceClassification(config).save_pretrained(folder / "texts")
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder / "texts")
    (folder / "seeds.txt").write_text("good film\nbad film\n")
    return folder


def put(folder: Path, file: str, part: str, key: str, value: object) -> None:
    path = folder / file
    content = json.loads(path.read_text()) if path.is_file() else {}
    (content.setdefault(part, {}) if part else content)[key] = value
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(("file", "part", "key"), EVERY)
def test_a_value_of_another_kind_is_told_with_its_key(file: str, part: str, key: str, tmp_path: Path) -> None:
    path, kind = tmp_path / file, KINDS[file][part][key]
    for value in MALFORMED:
        put(tmp_path, file, part, key, value)
        if kind.holds(value):
            read_object(path, "here")
            continue
        with pytest.raises(ModelError) as caught:
            read_object(path, "here")
        told = f"here: {file} has {f'{part}.' * bool(part)}{key}: {ascii(value)[:80]}; it must be {kind.words}"
        assert caught.value.message == told
        assert caught.value.exit_code == 2
    assert sum(map(kind.holds, MALFORMED)) <= 5
    put(tmp_path, file, part, key, None)
    read_object(path, "here")


FITTING: dict[str, tuple[str, list[object]]] = {
    "id2label": ("config.json", [{"0": "cat", "1": "dog"}, {"1": "a", "2": "b"}, {"-1": "a"}, {"0": 5}]),
    "label_names": ("config.json", [["a"], {"0": "a"}, {"n01": "a"}, [1, 2]]),
    "model_max_length": ("tokenizer_config.json", [1, 512, 10**30, 1e30, 512.0]),
    "image_mean": ("preprocessor_config.json", [0.5, [0.5], [0.5, 0.4, 0.3]]),
    "resample": ("preprocessor_config.json", [2, "bicubic"]),
}


@pytest.mark.parametrize("key", FITTING)
def test_values_that_models_have_are_taken(key: str, tmp_path: Path) -> None:
    file, values = FITTING[key]
    for value in values:
        put(tmp_path, file, "", key, value)
        assert read_object(tmp_path / file, "here")[key] == value


IMAGES: dict[str, tuple[str, str, str, object]] = {
    "classes as a list": ("images", "config.json", "id2label", ["cat", "dog"]),
    "classes as a text": ("images", "config.json", "id2label", "cat"),
    "classes as a number": ("images", "config.json", "id2label", 2),
    "classes without numbers": ("images", "config.json", "id2label", {"cat": 0, "dog": 1}),
    "a class twice": ("images", "config.json", "id2label", {"0": "cat", "00": "dog"}),
    "architectures": ("images", "config.json", "architectures", 5),
    "scale": ("images", "preprocessor_config.json", "rescale_factor", "abc"),
    "a switch": ("images", "preprocessor_config.json", "do_normalize", "yes"),
    "timm's names": ("timm", "config.json", "label_names", 5),
    "timm's weights": ("timm", "config.json", "pretrained_cfg", "abc"),
    "timm's arguments": ("timm", "config.json", "model_args", [1]),
}


def test_half_a_character(good: Path, tmp_path: Path, refused: Refused) -> None:
    """JSON can spell a surrogate alone; no text that is written can have one."""
    folder = Path(shutil.copytree(good / "timm", tmp_path / "model"))
    put(folder, "config.json", "", "license", "\ud800")
    says = ("config.json is not JSON", "surrogates not allowed", "hint: mend the file (plain UTF-8")
    refused("pull", str(folder), "--out", str(tmp_path / "out"), code=2, says=says)


def test_a_network_that_cannot_answer(good: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(good / "timm", tmp_path / "model"))
    put(folder, "config.json", "model_args", "global_pool", "")
    with pytest.raises(ModelError, match="test_resnet cannot answer to an image: mat1 and mat2"):
        load_model(folder)


SMALL = {"crop smaller than a patch": (4, "images"), "crop of another size": (16, "images")}


@pytest.mark.parametrize("name", SMALL)
def test_images_that_are_prepared_too_small(name: str, good: Path, tmp_path: Path, refused: Refused) -> None:
    side, kind = SMALL[name]
    folder = Path(shutil.copytree(good / kind, tmp_path / "model"))
    put(folder, "preprocessor_config.json", "", "do_center_crop", True)
    put(folder, "preprocessor_config.json", "", "image_processor_type", "CLIPImageProcessor")
    put(folder, "preprocessor_config.json", "", "crop_size", {"height": side, "width": side})
    says = ("cannot answer to an image: ", f"preprocessor_config.json prepares images of {side} x {side} pixels")
    refused("pull", str(folder), "--out", str(tmp_path / "out"), code=2, says=(*says, "hint: check that the sizes"))
    with pytest.raises(ModelError, match=r"preprocessor_config\.json prepares images"):
        load(folder)


def test_a_timm_model_whose_images_are_too_small(good: Path, tmp_path: Path, refused: Refused) -> None:
    TimmModel.create("test_convnext", ("cat", "dog"), seed=0).save(tmp_path / "model")
    put(tmp_path / "model", "config.json", "pretrained_cfg", "input_size", [3, 4, 4])
    says = ("test_convnext cannot answer to an image: ", "config.json prepares images of 4 x 4 pixels")
    refused("pull", str(tmp_path / "model"), "--out", str(tmp_path / "out"), code=2, says=says)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["images", "texts"])
def test_answers_have_the_form_that_we_ask_for(kind: str, good: Path, tmp_path: Path, hubslice: Hubslice) -> None:
    folder = Path(shutil.copytree(good / kind, tmp_path / "model"))
    put(folder, "config.json", "", "return_dict", False)
    done = hubslice("pull", str(folder), "--out", str(tmp_path / "out"))
    assert done.code == 0, done.stderr
    if kind == "images":
        assert load(folder).predict([Image.new("RGB", (40, 40))]).labels
        load(folder).save(tmp_path / "saved")
        assert "return_dict" not in (tmp_path / "saved" / "config.json").read_text()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("kind", ["timm", "images"])
def test_json_is_plain_utf_8(kind: str, encoding: str, good: Path, tmp_path: Path, refused: Refused) -> None:
    folder = Path(shutil.copytree(good / kind, tmp_path / "model"))
    config = folder / "config.json"
    config.write_text(config.read_text(), encoding=encoding)
    says = ("config.json is not JSON: ", "hint: mend the file (plain UTF-8, without a byte order mark)")
    refused("pull", str(folder), "--out", str(tmp_path / "out"), code=2, says=says)


@pytest.mark.parametrize("named", ["resnet50", "", None, 5, ["a"], "\x1b[31m"])
def test_only_the_architecture_that_was_loaded_is_saved(named: object, good: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(good / "timm", tmp_path / "model"))
    put(folder, "config.json", "pretrained_cfg", "architecture", named)
    load_model(folder).save(tmp_path / "saved")
    saved = json.loads((tmp_path / "saved" / "config.json").read_text())
    assert saved["architecture"] == "test_resnet"
    assert "architecture" not in saved["pretrained_cfg"]
    load_model(tmp_path / "saved").check_sliceable()


@pytest.mark.parametrize("name", IMAGES)
def test_models_of_images(name: str, good: Path, tmp_path: Path, refused: Refused) -> None:
    kind, file, key, value = IMAGES[name]
    folder = Path(shutil.copytree(good / kind, tmp_path / "model"))
    put(folder, file, "", key, value)
    says = (f"{file} has {key}: {value!r}; it must be", "hint: mend the file, or choose another revision")
    refused("pull", str(folder), "--out", str(tmp_path / "out"), code=2, says=says)


TEXTS: dict[str, tuple[str, str, object, str]] = {
    "length as a text": ("tokenizer_config.json", "model_max_length", "abc", "it must be a whole number of tokens"),
    "length below zero": ("tokenizer_config.json", "model_max_length", -5, "it must be a whole number of tokens"),
    "half a token": ("tokenizer_config.json", "model_max_length", 1.5, "it must be a whole number of tokens"),
    "side": ("tokenizer_config.json", "truncation_side", "above", "it must be left or right"),
    "other vocabulary": ("tokenizer_config.json", "fast_tokenizer_files", ["tokenizer.5.json"], "names other files"),
    "classes as a list": ("config.json", "id2label", ["good", "bad"], "it must be a table from the number"),
    "positions": ("config.json", "max_position_embeddings", "abc", "it must be a whole number"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_models_of_texts(name: str, good: Path, tmp_path: Path, refused: Refused) -> None:
    file, key, value, says = TEXTS[name]
    folder = Path(shutil.copytree(good / "texts", tmp_path / "model"))
    put(folder, file, "", key, value)
    command = ("diff", str(folder), str(good / "texts"), "-i", str(good / "seeds.txt"), "--out", str(tmp_path / "out"))
    refused(*command, "--budget", "1", "--device", "cpu", code=2, says=(says, "hint: "))


@pytest.mark.parametrize("file", ["tokenizer.json", "tokenizer_config.json"])
def test_a_token_that_is_described_by_what_nobody_knows(
    file: str, good: Path, tmp_path: Path, refused: Refused
) -> None:
    """The tokenizers library would print its name, as it is."""
    folder = Path(shutil.copytree(good / "texts", tmp_path / "model"))
    content = json.loads((folder / file).read_text())
    odd = {"id": 0, "content": "[PAD]", "\x1b[31mred": 1}
    content |= {"added_tokens": [odd]} if file == "tokenizer.json" else {"added_tokens_decoder": {"0": odd}}
    (folder / file).write_text(json.dumps(content))
    command = ("diff", str(folder), str(good / "texts"), "-i", str(good / "seeds.txt"), "--out", str(tmp_path / "out"))
    says = (f"{file} describes a token by", "which the tokenizers library does not know", "hint: mend")
    refused(*command, "--budget", "1", "--device", "cpu", code=2, says=says)


ODD_TOKEN = {"content": "[PAD]", "\x1b[31mred": 1}
LISTS: dict[str, object] = {
    "a list": {"additional_special_tokens": [{"__type": "AddedToken"} | ODD_TOKEN]},
    "a list of plain ones": {"extra_special_tokens": [ODD_TOKEN]},
    "a table": {"extra_special_tokens": {"x_token": {"__type": "AddedToken"} | ODD_TOKEN}},
    "of one model": {"model_specific_special_tokens": {"img_token": {"__type": "AddedToken"} | ODD_TOKEN}},
    "deep below": {"of_mine": [[{"a": {"__type": "AddedToken", "\x1b[31mred": 1}}]]},
}


@pytest.mark.parametrize("file", ["tokenizer_config.json", "special_tokens_map.json"])
@pytest.mark.parametrize("name", LISTS)
def test_wherever_a_token_is_described(name: str, file: str, good: Path, tmp_path: Path, refused: Refused) -> None:
    folder = Path(shutil.copytree(good / "texts", tmp_path / "model"))
    path = folder / file
    content = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps(content | LISTS[name]))  # type: ignore[operator]
    command = ("diff", str(folder), str(good / "texts"), "-i", str(good / "seeds.txt"), "--out", str(tmp_path / "out"))
    says = (f"{file} describes a token by", "which the tokenizers library does not know", '"hint": "mend')
    finished = refused(*command, "--budget", "1", "--device", "cpu", "--json", code=2, says=says)
    assert "\x1b" not in finished.stderr


def test_a_table_of_special_tokens_is_a_token_to_transformers(good: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(good / "texts", tmp_path / "model"))
    (folder / "special_tokens_map.json").write_text('{"of_mine": {"\\u001b[31mred": "[PAD]"}}')
    with pytest.raises(ModelError, match=r"special_tokens_map.json describes a token by"):
        check_added_tokens(folder)


def test_usual_descriptions_of_tokens_are_read(good: Path, tmp_path: Path) -> None:
    """Also beside a table that calls a part `content`, as the shape of a chat's answers does."""
    folder = Path(shutil.copytree(good / "texts", tmp_path / "model"))
    path = folder / "tokenizer_config.json"
    token = {"__type": "AddedToken", "content": "[X]", "lstrip": False, "special": True}
    shape = {"type": "object", "properties": {"content": {"type": "string"}, "role": {"const": "assistant"}}}
    entries = {"extra_special_tokens": {"x_token": token}, "response_schema": shape}
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))
    check_added_tokens(folder)


def test_a_tokenizer_that_encodes_nothing(good: Path, tmp_path: Path, refused: Refused) -> None:
    folder = Path(shutil.copytree(good / "texts", tmp_path / "model"))
    Tokenizer(WordLevel({"good": 0}, unk_token="[UNK]")).save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    command = ("diff", str(folder), str(good / "texts"), "-i", str(good / "seeds.txt"), "--out", str(tmp_path / "out"))
    says = (f"the tokenizer for {folder} cannot encode a short text", "hint: mend tokenizer_config.json")
    refused(*command, "--budget", "1", "--device", "cpu", code=2, says=says)


# Of other entries the libraries judge, and use what they like of them: whatever they raise is told.
OTHERS: dict[tuple[str, str], tuple[str, ...]] = {
    ("images", "config.json"): (
        "image_size",
        "patch_size",
        "hidden_size",
        "in_channels",
        "num_attention_heads",
        "hidden_act",
        "problem_type",
        "dtype",
        "vision_config",
        "per_layer_config",
        "output_attentions",
        "hubslice_transparency",
    ),
    ("images", "preprocessor_config.json"): ("size", "crop_size", "pad_size", "do_convert_rgb", "default_to_square"),
    ("timm", "config.json"): ("global_pool", "num_features", "label_descriptions", "hubslice_transparency"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "file", "key"), [(*where, key) for where, keys in OTHERS.items() for key in keys])
def test_entries_that_the_libraries_judge(kind: str, file: str, key: str, good: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(good / kind, tmp_path / "model"))
    before = (folder / file).read_text()
    for value in (True, -5, "abc", [], ["a"], {}, {"a": 1}):
        put(folder, file, "", key, value)
        with contextlib.suppress(ModelError):
            load_model(folder)
        (folder / file).write_text(before)
