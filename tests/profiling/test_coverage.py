"""Coverage counts against the reference, and what a run does when something goes wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from hubslice.artefacts.profile import NC, SNAC, TKNC, Criterion, Profile
from hubslice.core.errors import MemoryShortError, ProfileError, ProviderError
from hubslice.core.machine import out_of_memory
from hubslice.graph.neuron_map import NeuronMap
from hubslice.profiling.accumulator import Accumulator
from hubslice.profiling.coverage import profile
from tests.graph.architectures import Exported, exported, find
from tests.profiling.reference import counts
from tests.profiling.samples import Samples

N = 7
CRITERIA = [
    NC,
    Criterion(name="nc", threshold=0.3),  # random weights cover little at 0.5
    TKNC,
    Criterion(name="tknc", k=3),
    SNAC,
    Criterion(name="snac", k=5),
]
CASES = [
    "test_vit",
    "test_efficientnet",  # depthwise convolutions
    *(
        pytest.param(name, marks=pytest.mark.slow)
        for name in ("resnet18", "swin_tiny_patch4_window7_224", "test_maxvit", "hf-bert", "hf-gpt2")
    ),
]


@pytest.fixture
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return exported(find(getattr(request, "param", "test_efficientnet")), tmp_path_factory)


def assert_same(actual: Profile, expected: dict[str, np.ndarray]) -> None:
    assert list(actual.counts) == list(expected)
    for key, count in expected.items():
        assert actual.counts[key].dtype == np.int64
        np.testing.assert_array_equal(actual.counts[key], count, err_msg=key)


@pytest.mark.parametrize("case", CASES, indirect=True)
def test_counts_equal_the_reference(case: Exported) -> None:
    samples = Samples(case, N)
    for criterion, expected in zip(CRITERIA, counts(case, samples.arrays, CRITERIA), strict=True):
        result = profile(case.path, case.neurons, samples, criterion, batch_size=3)
        assert_same(result, expected)
        assert (result.samples, result.provider, result.criterion) == (N, "CPUExecutionProvider", criterion)
        assert result.neurons == sum(tensor.channels for tensor in case.neurons.tensors)
        if criterion != NC:
            assert any(0 < value < N for count in result.counts.values() for value in count)


def test_counts_do_not_depend_on_the_batch_size(case: Exported) -> None:
    criterion = Criterion(name="nc", threshold=0.3)
    expected = profile(case.path, case.neurons, Samples(case, N), criterion, batch_size=1).counts
    for size in (2, N, 100):
        assert_same(profile(case.path, case.neurons, Samples(case, N), criterion, batch_size=size), dict(expected))


class Interrupted(Exception):  # noqa: N818 - it plays a signal
    pass


def test_a_killed_run_goes_on_where_it_was(case: Exported, tmp_path: Path) -> None:
    expected = profile(case.path, case.neurons, Samples(case, N), SNAC, batch_size=2)

    def kill(done: int, _: int) -> None:
        if done >= 6:
            raise Interrupted

    checkpoint = tmp_path / "profile.checkpoint"
    options: dict[str, Any] = {"batch_size": 2, "checkpoint": checkpoint, "checkpoint_every": 2}
    with pytest.raises(Interrupted):
        profile(case.path, case.neurons, Samples(case, N), SNAC, progress=kill, **options)
    assert checkpoint.exists()
    rest = Samples(case, N)
    result = profile(case.path, case.neurons, rest, SNAC, **options)
    assert rest.asked == [(4, 6), (6, 7)]
    assert_same(result, dict(expected.counts))
    assert not checkpoint.exists()


@pytest.mark.parametrize("change", ["data", "criterion", "damage"])
def test_a_checkpoint_of_another_run_is_not_used(case: Exported, change: str, tmp_path: Path) -> None:
    def kill(done: int, _: int) -> None:
        if done >= 4:
            raise Interrupted

    checkpoint = tmp_path / "profile.checkpoint"
    options: dict[str, Any] = {"batch_size": 2, "checkpoint": checkpoint, "checkpoint_every": 1}
    with pytest.raises(Interrupted):
        profile(case.path, case.neurons, Samples(case, N), SNAC, progress=kill, **options)
    if change == "damage":
        checkpoint.write_bytes(checkpoint.read_bytes()[:20])
    samples = Samples(case, N, fingerprint="other" if change == "data" else "samples")
    profile(case.path, case.neurons, samples, TKNC if change == "criterion" else SNAC, **options)
    assert samples.asked[0] == (0, 2)


def test_progress(case: Exported) -> None:
    seen: list[tuple[int, int]] = []
    profile(case.path, case.neurons, Samples(case, N), NC, batch_size=3, progress=lambda *step: seen.append(step))
    assert seen == [(3, 7), (6, 7), (7, 7)]


class Binding:
    """A binding that notes how many samples it got."""

    def __init__(self, real: Any) -> None:
        self.real = real
        self.samples = 0

    def bind_cpu_input(self, name: str, array: np.ndarray) -> None:
        self.samples = len(array)
        self.real.bind_cpu_input(name, array)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


class SmallDevice:
    """A session that runs out of memory above `limit` samples, after writing into the output buffer."""

    def __init__(self, real: Any, limit: int, message: str) -> None:
        self.real, self.limit, self.message = real, limit, message

    def io_binding(self) -> Binding:
        return Binding(self.real.io_binding())

    def run_with_iobinding(self, binding: Binding) -> None:
        self.real.run_with_iobinding(binding.real)
        if binding.samples > self.limit:
            raise RuntimeError(self.message)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def shrink(monkeypatch: pytest.MonkeyPatch, limit: int, message: str) -> None:
    plain = Accumulator.__init__

    def init(self: Accumulator, session: Any, state: np.ndarray) -> None:
        object.__setattr__(session, "runtime", SmallDevice(session.runtime, limit, message))
        plain(self, session, state)

    monkeypatch.setattr(Accumulator, "__init__", init)


MESSAGES = [
    "BFCArena: Failed to allocate memory for requested buffer of size 1234",
    "CUDA failure 2: out of memory ; GPU=0",
    "std::bad_alloc",
    "CUDNN_STATUS_ALLOC_FAILED",
]


@pytest.mark.parametrize("message", MESSAGES)
def test_wordings_of_out_of_memory(message: str) -> None:
    assert out_of_memory(RuntimeError(message))


def test_out_of_memory_halves_the_batch(case: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = profile(case.path, case.neurons, Samples(case, N), SNAC, batch_size=2)
    shrink(monkeypatch, 2, MESSAGES[0])
    samples = Samples(case, N)
    result = profile(case.path, case.neurons, samples, SNAC, batch_size=5)
    assert samples.asked == [(0, 5), (0, 2), (2, 4), (4, 6), (6, 7)]
    assert_same(result, dict(expected.counts))


def test_out_of_memory_with_one_sample(case: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch, 0, MESSAGES[0])
    with pytest.raises(MemoryShortError, match=r"out of memory with a single sample .*1234"):
        profile(case.path, case.neurons, Samples(case, N), SNAC)


class Broken(Samples):
    def __init__(self, case: Exported, **arrays: np.ndarray) -> None:
        super().__init__(case, 4)
        self.arrays = arrays


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": np.zeros((4, 3, 64, 64), np.float32)}, "the data gives images; the graph takes pixel_values"),
        ({"pixel_values": np.zeros((3, 3, 64, 64), np.float32)}, r"asked for 4 samples, .* shape \[3, 3, 64, 64\]"),
        ({"pixel_values": np.zeros((4, 3, 64, 64), np.float64)}, "the graph cannot run on this batch: .*double"),
    ],
    ids=["name", "length", "type"],
)
def test_data_that_does_not_fit(case: Exported, arrays: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ProfileError, match=message):
        profile(case.path, case.neurons, Broken(case, **arrays), NC)


def test_no_samples(case: Exported) -> None:
    samples = Samples(case, 1)
    samples.n = 0
    with pytest.raises(ProfileError, match="no samples"):
        profile(case.path, case.neurons, samples, NC)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_cuda_without_a_gpu(case: Exported) -> None:
    with pytest.raises(ProviderError, match="torch sees no CUDA device"):
        profile(case.path, case.neurons, Samples(case, 1), NC, device="cuda:0")


def test_weights_in_a_file_of_their_own(case: Exported, tmp_path: Path) -> None:
    moved = tmp_path / "m.onnx"
    onnx.save(onnx.load(case.path), moved, save_as_external_data=True, location="m.onnx.data", size_threshold=0)
    expected = profile(case.path, case.neurons, Samples(case, 2), SNAC)
    result = profile(moved, case.neurons, Samples(case, 2), SNAC)
    assert_same(result, dict(expected.counts))
    data = bytearray((tmp_path / "m.onnx.data").read_bytes())
    data[-1] ^= 1
    (tmp_path / "m.onnx.data").write_bytes(data)
    assert profile(moved, case.neurons, Samples(case, 2), SNAC).model != result.model


def test_a_map_of_another_graph(case: Exported) -> None:
    with pytest.raises(ProfileError, match="the neuron map is empty"):
        profile(case.path, NeuronMap(layers=(), unmapped=()), Samples(case, 1), NC)
    layer = case.neurons.layers[0]
    other = layer.model_copy(update={"output": layer.output.model_copy(update={"name": "else", "key": "else"})})
    with pytest.raises(ProfileError, match="the graph has no tensor else") as caught:
        profile(case.path, NeuronMap(layers=(other,), unmapped=()), Samples(case, 1), NC)
    assert caught.value.hint == "the neuron map was made from another graph"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("criterion", CRITERIA, ids=str)
def test_cuda_counts_are_those_of_the_cpu(case: Exported, criterion: Criterion) -> None:
    cpu = profile(case.path, case.neurons, Samples(case, 64), criterion, batch_size=16)
    cuda = profile(case.path, case.neurons, Samples(case, 64), criterion, batch_size=16, device="cuda")
    assert cuda.provider == "CUDAExecutionProvider"
    # Sums in another order: a mean may fall on the other side of the limit for a few samples in all.
    differ = sum(int(np.abs(cpu.counts[key] - cuda.counts[key]).sum()) for key in cpu.counts)
    assert differ <= 1e-4 * cpu.neurons * 64
