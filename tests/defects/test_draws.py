import torch

from hubslice.defects.draws import NOISE, START, image_bytes, random_bytes


def test_the_stream_never_changes() -> None:
    assert random_bytes((8,), 0, 1, 2).tolist() == [98, 170, 27, 142, 182, 82, 183, 225]


def test_each_image_draws_its_own_bytes() -> None:
    together = image_bytes((3, 9, 4), (3, 5, 7), seed=1, purpose=START)
    assert together.dtype == torch.uint8
    assert torch.equal(together[1], image_bytes((9,), (3, 5, 7), seed=1, purpose=START)[0])
    assert not torch.equal(together[0], together[1])


def test_seed_and_purpose_matter() -> None:
    drawn = image_bytes((0,), (64,), seed=1, purpose=START)
    assert not torch.equal(drawn, image_bytes((0,), (64,), seed=2, purpose=START))
    assert not torch.equal(drawn, image_bytes((0,), (64,), seed=1, purpose=NOISE))


def test_bytes_are_uniform() -> None:
    counts = torch.bincount(random_bytes((256_000,), 5).long(), minlength=256)
    assert counts.min() > 800
    assert counts.max() < 1200
