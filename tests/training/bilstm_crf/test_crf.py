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

LABELS, TAGS = ("O", "B-X", "I-X", "E-X", "S-X"), ("A", "B", "C", "D", "E")
LENGTHS = (3, 1, 2)


@pytest.fixture(params=["full", "low rank", "low rank, all allowed"])
def crf(request: pytest.FixtureRequest) -> Crf:
    allowed = allowed_transitions(TAGS if "all allowed" in request.param else LABELS)
    layer = Crf(allowed, rank=0 if request.param == "full" else 2)
    random = torch.Generator().manual_seed(1)
    for weights in layer.parameters():
        torch.nn.init.normal_(weights, generator=random)
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
        gradients = [weights.grad for weights in (*crf.parameters(), scores)]
        results.append((loss.detach(), *(gradient.clone() for gradient in gradients if gradient is not None)))
        assert len(results[-1]) == 2 + len(list(crf.parameters()))
    for kept_result, computed_again in zip(*results, strict=True):
        assert torch.equal(kept_result, computed_again)


def test_forbidden_transitions_have_no_gradient(emissions: Tensor) -> None:
    crf = Crf(allowed_transitions(LABELS)).double()
    crf(emissions, torch.zeros(3, 3, dtype=torch.long), MASK).backward()
    assert crf.weights.grad is not None
    assert not crf.weights.grad[~crf.allowed].any()
    assert (crf.transitions()[~crf.allowed] == FORBIDDEN).all()


def test_the_exponentials_of_the_transitions_have_the_rank() -> None:
    torch.manual_seed(5)
    crf = Crf(allowed_transitions([f"T{number}" for number in range(70)]), rank=3).double()
    between = crf.transitions()[:-2].exp()
    assert between.shape == (70, 70)
    assert torch.linalg.matrix_rank(between) == 3
    outgoing, incoming = crf.factors
    torch.testing.assert_close(between, outgoing.exp() @ incoming.exp())


def test_both_factors_learn(emissions: Tensor) -> None:
    torch.manual_seed(5)
    crf = Crf(allowed_transitions(TAGS), rank=2).double()
    labels = torch.tensor([[0, 1, 2], [1, 0, 3], [2, 0, 0]])
    crf(emissions, labels, MASK).backward()
    before = float(crf(emissions, labels, MASK).detach())
    with torch.no_grad():
        for weights in crf.parameters():
            assert weights.grad is not None
            assert weights.grad.any()
            weights -= 0.1 * weights.grad
    assert float(crf(emissions, labels, MASK).detach()) < before


def test_scores_of_all_pairs_are_not_computed_with_a_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: set[tuple[int, ...]] = set()

    def recorded(values: Tensor, dim: int) -> Tensor:
        shapes.add(tuple(values.shape))
        return values.logsumexp(dim)

    monkeypatch.setattr(module.torch, "logsumexp", recorded)
    crf = Crf(allowed_transitions([f"T{number}" for number in range(50)]), rank=4)
    crf(torch.randn(3, 2, 50), torch.zeros(3, 2, dtype=torch.long), torch.ones(3, 2, dtype=torch.bool)).backward()
    assert shapes == {(2, 50, 4), (2, 4, 50), (2, 50), (2, 2, 4)}  # the last of the gold labels


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
