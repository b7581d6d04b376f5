"""LeNet-5: shapes, parameter counts, and the parts of the 1998 paper."""

import pytest
import torch

from training.common.config import merge
from training.lenet.config import PRESETS, LenetConfig
from training.lenet.export.served import ServedLeNet
from training.lenet.network.bitmaps import DIGIT_BITMAPS
from training.lenet.network.model import TABLE_1, LeNet5, ScaledTanh, TrainableSubsampling, map_loss
from training.lenet.weights import build_model

pytestmark = pytest.mark.torch


def test_the_default_has_61706_parameters() -> None:
    model = build_model(LenetConfig(), 10)
    assert model.parameter_count() == 61_706
    assert model(torch.zeros(3, 1, 28, 28)).shape == (3, 10)


def test_the_preset_of_1998_has_60000_parameters() -> None:
    """The paper's own count: 156 + 12 + 1,516 + 32 + 48,120 + 10,164; the RBF units are fixed."""
    model = build_model(PRESETS["lecun1998"], 10)
    assert model.parameter_count() == 60_000
    assert sum(len(sources) for sources in TABLE_1) * 25 + 16 == 1516
    assert model(torch.zeros(3, 1, 28, 28)).shape == (3, 10)


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "scaled-tanh"])
@pytest.mark.parametrize("pooling", ["max", "avg", "trainable"])
def test_every_option_learns(activation: str, pooling: str) -> None:
    torch.manual_seed(0)
    model = build_model(merge(LenetConfig(), {"activation": activation, "pooling": pooling}), 4)
    loss = torch.nn.functional.cross_entropy(model(torch.rand(8, 1, 28, 28)), torch.arange(8) % 4)
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in model.parameters())


def test_connections_missing_in_table_1_stay_missing() -> None:
    torch.manual_seed(0)
    model = build_model(PRESETS["lecun1998"], 10)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        map_loss(model(torch.rand(8, 1, 28, 28)), torch.arange(8)).backward()
        optimizer.step()
    connected = model.c3.weight.detach().abs().sum((2, 3)) > 0
    expected = [[source in sources for source in range(6)] for sources in TABLE_1]
    assert connected.tolist() == expected


def test_scaled_tanh_passes_through_plus_and_minus_one() -> None:
    values = ScaledTanh()(torch.tensor([-1.0, 0.0, 1.0]))
    torch.testing.assert_close(values, torch.tensor([-1.0, 0.0, 1.0]), atol=1e-4, rtol=0)


def test_trainable_subsampling_is_a_scaled_mean() -> None:
    layer = TrainableSubsampling(1)
    torch.nn.init.constant_(layer.coefficient, 2.0)
    torch.nn.init.constant_(layer.bias, 0.5)
    assert layer(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])).item() == 5.5


def test_rbf_scores_are_minus_squared_distances() -> None:
    model = LeNet5(10, output="rbf")
    targets = torch.tensor(DIGIT_BITMAPS, dtype=torch.float32)
    f6 = torch.randn(5, 84)
    torch.testing.assert_close(model.output(f6), -torch.cdist(f6, targets).square(), atol=1e-3, rtol=1e-4)
    assert model.output(targets).argmax(1).tolist() == list(range(10))


def test_bitmaps_are_far_apart() -> None:
    bitmaps = torch.tensor(DIGIT_BITMAPS, dtype=torch.float32)
    differing = (bitmaps[:, None] != bitmaps[None]).sum(2) + 84 * torch.eye(10, dtype=torch.int64)
    assert bitmaps.shape == (10, 84)
    assert int(differing.min()) >= 6


def test_equation_9() -> None:
    scores = torch.tensor([[-1.0, -3.0], [-2.0, -0.5]])
    expected = [
        1.0 + torch.log(torch.exp(torch.tensor([-0.1, -1.0, -3.0])).sum()),
        0.5 + torch.log(torch.exp(torch.tensor([-0.1, -2.0, -0.5])).sum()),
    ]
    torch.testing.assert_close(map_loss(scores, torch.tensor([0, 1])), torch.stack(expected).mean())


@pytest.mark.parametrize("preset", ["default", "lecun1998"])
def test_the_served_network_is_the_trained_one(preset: str) -> None:
    torch.manual_seed(0)
    model = build_model(PRESETS[preset], 10).eval()
    images = torch.rand(4, 1, 28, 28)
    (probabilities,) = ServedLeNet(model)(images)
    torch.testing.assert_close(probabilities, model(images).softmax(1), atol=1e-6, rtol=1e-4)
