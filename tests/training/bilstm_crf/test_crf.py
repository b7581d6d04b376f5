"""The CRF's loss against all label sequences written out, and against the decoder that serves."""

from itertools import pairwise, product

import numpy as np
import pytest
import torch
from torch import Tensor

from service.tasks.token_classification.crf import FORBIDDEN, marginals
from service.tasks.token_classification.tag_schemes import allowed_transitions
from training.bilstm_crf.network.crf import Crf

pytestmark = pytest.mark.torch

LABELS = ("O", "B-X", "I-X", "E-X", "S-X")
LENGTHS = (3, 1, 2)


@pytest.fixture
def crf() -> Crf:
    made = Crf(allowed_transitions(LABELS))
    torch.nn.init.normal_(made.weights, generator=torch.Generator().manual_seed(1))
    return made.double()


@pytest.fixture
def emissions() -> Tensor:
    return torch.randn(3, 3, len(LABELS), dtype=torch.float64, generator=torch.Generator().manual_seed(2))


MASK = torch.arange(3)[:, None] < torch.tensor(LENGTHS)


def score(crf: Crf, emissions: Tensor, labels: tuple[int, ...]) -> float:
    """The score of one label sequence, with nothing but additions."""
    transitions = crf.transitions()
    total = transitions[-2, labels[0]] + transitions[-1, labels[-1]]
    total = total + sum(emissions[place, label] for place, label in enumerate(labels))
    total = total + sum(transitions[one, two] for one, two in pairwise(labels))
    return float(total.detach())


def test_the_loss_is_that_of_all_sequences_written_out(crf: Crf, emissions: Tensor) -> None:
    labels = torch.tensor([[1, 4, 0], [2, 0, 4], [3, 0, 0]])  # [T, B]; beyond the lengths anything may stand
    losses = []
    for sentence, length in enumerate(LENGTHS):
        own = emissions[:, sentence]
        scores = [score(crf, own, chosen) for chosen in product(range(len(LABELS)), repeat=length)]
        right = score(crf, own, tuple(labels[:length, sentence].tolist()))
        losses.append(np.logaddexp.reduce(scores) - right)
    assert float(crf(emissions, labels, MASK).detach()) == pytest.approx(np.mean(losses))


def test_what_is_not_allowed_has_no_part_and_no_gradient(crf: Crf, emissions: Tensor) -> None:
    crf(emissions, torch.zeros(3, 3, dtype=torch.long), MASK).backward()
    assert crf.weights.grad is not None
    assert not crf.weights.grad[~crf.allowed].any()
    assert (crf.transitions()[~crf.allowed] == FORBIDDEN).all()


def test_the_gradient_is_the_served_marginals(crf: Crf, emissions: Tensor) -> None:
    emissions.requires_grad_()
    labels = torch.zeros(3, 3, dtype=torch.long)
    crf(emissions, labels, MASK).backward()
    assert emissions.grad is not None
    expected = torch.nn.functional.one_hot(labels, len(LABELS)) * MASK[..., None]  # minus the right labels' indicator
    found = marginals(
        emissions.detach().transpose(0, 1).float().numpy(),
        np.array(LENGTHS),
        crf.transitions().detach().float().numpy(),
    )
    gradient = emissions.grad * len(LENGTHS) + expected
    np.testing.assert_allclose(gradient.transpose(0, 1).numpy(), found, atol=1e-5)


def test_padding_has_no_part(crf: Crf, emissions: Tensor) -> None:
    labels = torch.zeros(3, 3, dtype=torch.long)
    other = emissions.clone()
    other[~MASK] = 1e6
    assert torch.equal(crf(other, labels, MASK), crf(emissions, labels, MASK))
