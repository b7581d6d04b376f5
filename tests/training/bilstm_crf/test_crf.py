"""The CRF's loss against the enumeration of all label sequences, and against the served decoder."""

from itertools import pairwise, product

import numpy as np
import pytest
import torch
from torch import Tensor

from service.tasks.token_classification.crf import FORBIDDEN, marginals
from service.tasks.token_classification.tag_schemes import allowed_transitions
from training.bilstm_crf.network import crf as module
from training.bilstm_crf.network.crf import Crf

pytestmark = pytest.mark.torch

LABELS = ("O", "B-X", "I-X", "E-X", "S-X")
LENGTHS = (3, 1, 2)


@pytest.fixture
def crf() -> Crf:
    layer = Crf(allowed_transitions(LABELS))
    torch.nn.init.normal_(layer.weights, generator=torch.Generator().manual_seed(1))
    return layer.double()


@pytest.fixture
def emissions() -> Tensor:
    return torch.randn(3, 3, len(LABELS), dtype=torch.float64, generator=torch.Generator().manual_seed(2))


MASK = torch.arange(3)[:, None] < torch.tensor(LENGTHS)


def score(crf: Crf, emissions: Tensor, labels: tuple[int, ...]) -> float:
    """The score of one label sequence, with nothing but additions."""
    transitions = crf.transitions()
    total = transitions[-2, labels[0]] + transitions[-1, labels[-1]]
    total = total + sum(emissions[step, label] for step, label in enumerate(labels))
    total = total + sum(transitions[previous, current] for previous, current in pairwise(labels))
    return float(total.detach())


def test_the_loss_is_that_of_the_enumeration(crf: Crf, emissions: Tensor) -> None:
    labels = torch.tensor([[1, 4, 0], [2, 0, 4], [3, 0, 0]])  # [T, B]; beyond the lengths anything may stand
    losses = []
    for sentence, length in enumerate(LENGTHS):
        own = emissions[:, sentence]
        scores = [score(crf, own, chosen) for chosen in product(range(len(LABELS)), repeat=length)]
        gold = score(crf, own, tuple(labels[:length, sentence].tolist()))
        losses.append(np.logaddexp.reduce(scores) - gold)
    assert float(crf(emissions, labels, MASK).detach()) == pytest.approx(np.mean(losses))


def test_scores_that_are_computed_again_give_the_same_loss_and_gradient(
    crf: Crf, emissions: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = []
    for kept in (1 << 20, 0):
        monkeypatch.setattr(module, "_MAX_KEPT_SCORES", kept)
        crf.zero_grad()
        scores = emissions.clone().requires_grad_()
        loss = crf(scores, torch.zeros(3, 3, dtype=torch.long), MASK)
        loss.backward()
        assert crf.weights.grad is not None
        assert scores.grad is not None
        results.append((loss.detach(), crf.weights.grad.clone(), scores.grad))
    for kept_result, computed_again in zip(*results, strict=True):
        assert torch.equal(kept_result, computed_again)


def test_forbidden_transitions_have_no_gradient(crf: Crf, emissions: Tensor) -> None:
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
    served = marginals(
        emissions.detach().transpose(0, 1).float().numpy(),
        np.array(LENGTHS),
        crf.transitions().detach().float().numpy(),
    )
    gradient = emissions.grad * len(LENGTHS) + expected
    np.testing.assert_allclose(gradient.transpose(0, 1).numpy(), served, atol=1e-5)


def test_padding_does_not_matter(crf: Crf, emissions: Tensor) -> None:
    labels = torch.zeros(3, 3, dtype=torch.long)
    changed = emissions.clone()
    changed[~MASK] = 1e6
    assert torch.equal(crf(changed, labels, MASK), crf(emissions, labels, MASK))
