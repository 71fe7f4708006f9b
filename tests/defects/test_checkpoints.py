from pathlib import Path

import torch

from hubslice.defects.checkpoints import Checkpoints

IMAGES = torch.arange(24, dtype=torch.uint8).reshape(2, 3, 2, 2)


class Maker:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> torch.Tensor:
        self.calls += 1
        return IMAGES


def test_what_was_made_is_read_back(tmp_path: Path) -> None:
    make = Maker()
    for _ in range(2):
        assert torch.equal(Checkpoints(tmp_path / "scratch").attacked({"eps": 4, "seed": 0}, make), IMAGES)
    assert make.calls == 1


def test_another_description_is_another_file(tmp_path: Path) -> None:
    make = Maker()
    for about in ({"eps": 4}, {"eps": 8}, {"eps": 4, "seed": 1}):
        Checkpoints(tmp_path).attacked(about, make)
    assert make.calls == 3
    assert len(list(tmp_path.iterdir())) == 3


def test_a_damaged_file_is_made_again(tmp_path: Path) -> None:
    make = Maker()
    Checkpoints(tmp_path).attacked({}, make)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-5])
    assert torch.equal(Checkpoints(tmp_path).attacked({}, make), IMAGES)
    assert make.calls == 2


def test_without_a_folder_nothing_is_kept() -> None:
    make = Maker()
    for _ in range(2):
        Checkpoints(None).attacked({}, make)
    assert make.calls == 2
