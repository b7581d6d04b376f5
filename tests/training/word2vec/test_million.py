"""The generator of the benchmark's million vectors: deterministic, and near their parents."""

from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.million import generate
from tests.support.vectors import generate_vectors
from training.common.vectors import read_vectors

pytestmark = pytest.mark.torch


def test_generated_words_are_near_their_parents(tmp_path: Path) -> None:
    source = generate_vectors(40, 16)
    generate(source, tmp_path / "a", rows=500, dimensions=64, seed=1)
    generate(source, tmp_path / "b", rows=500, dimensions=64, seed=1)
    generate(source, tmp_path / "c", rows=500, dimensions=64, seed=2)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() != (tmp_path / "c").read_bytes()
    generated = read_vectors(tmp_path / "a")
    assert (len(generated), generated.dimensions) == (500, 64)
    np.testing.assert_allclose(np.linalg.norm(generated.matrix, axis=1), 1, atol=1e-5)
    assert [word.rpartition("_")[2] for word in generated.words[:3]] == ["000000", "000001", "000002"]
    parents = np.array([source.index[word.rpartition("_")[0]] for word in generated.words])
    assert len(set(parents)) == 40
    # Two children of one parent lie at a cosine of 0.7^2 to 0.9^2 of each other, up to the noise of 64 dimensions.
    cosines = generated.matrix @ generated.matrix.T
    siblings = cosines[(parents[:, None] == parents) & ~np.eye(500, dtype=bool)]
    assert 0.6 < siblings.mean() < 0.7
    # The cosine of two words is that of their parents, scaled by both of their own cosines to these.
    unit = source.unit()
    slope = np.polyfit((unit @ unit.T)[parents][:, parents].ravel(), cosines.ravel(), 1)[0]
    assert slope == pytest.approx(0.64, abs=0.05)
