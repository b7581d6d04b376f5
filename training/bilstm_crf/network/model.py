"""BiLSTM-CRF: Lample et al. 2016, "Neural Architectures for Named Entity Recognition", and Ma and Hovy 2016,
"End-to-end Sequence Labeling via Bi-directional LSTM-CNNs-CRF".

Shapes: B sentences, T tokens, U distinct words of C characters, D word and F feature dimensions, H units, K labels.
"""

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from service.tasks.token_classification.features import CASINGS
from training.bilstm_crf.config import NetworkConfig
from training.bilstm_crf.network.crf import Crf

CASING_DIMENSIONS = 8
_KERNEL = 3  # characters that a filter sees (Ma and Hovy, section 3.1)


class WordTable(nn.Module):
    """A row for every word: the given vector, and for the first `trained` rows a difference that is learned.

    Only what is trained has gradients and optimiser state, however large the vocabulary is.
    """

    given: Tensor

    def __init__(self, given: NDArray[np.float32], trained: int) -> None:
        super().__init__()
        self.register_buffer("given", torch.from_numpy(given))
        self.difference = nn.Parameter(torch.zeros(trained, given.shape[1]))

    def forward(self, rows_U: Tensor) -> Tensor:
        given = functional.embedding(rows_U, self.given)
        tuned = rows_U < len(self.difference)
        difference = functional.embedding(torch.where(tuned, rows_U, 0), self.difference)
        return given + difference * tuned[:, None]

    @torch.no_grad()
    def rows(self) -> Tensor:
        """[V + 1, D]: the table as one."""
        table = self.given.clone()
        table[: len(self.difference)] += self.difference
        return table


class CharacterCnn(nn.Module):
    """Characters [U, C] to [U, units]: a convolution, and each filter's highest answer (Ma and Hovy, section 2.1)."""

    def __init__(self, characters: int, dimensions: int, units: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, dimensions, padding_idx=0)
        self.convolution = nn.Conv1d(dimensions, units, _KERNEL, padding=_KERNEL // 2)

    def forward(self, characters_UC: Tensor) -> Tensor:
        maps = self.convolution(self.embedding(characters_UC).transpose(1, 2))
        # Positions beyond a word's end never win, so the padding of longer batch mates changes nothing.
        highest: Tensor = maps.masked_fill((characters_UC == 0)[:, None], -1e4).amax(2)
        return highest


class CharacterBiLstm(nn.Module):
    """Characters [U, C] to [U, units]: the last states of an LSTM in each direction (Lample et al., section 4.1)."""

    def __init__(self, characters: int, dimensions: int, units: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, dimensions, padding_idx=0)
        self.lstm = BiLstm(dimensions, units // 2)

    def forward(self, characters_UC: Tensor) -> Tensor:
        lengths = (characters_UC != 0).sum(1).clamp(min=1)
        states_CUH = self.lstm(self.embedding(characters_UC.T), lengths)
        half = states_CUH.shape[2] // 2
        last = (lengths - 1)[None, :, None].expand(1, -1, half)
        return torch.cat([states_CUH[..., :half].gather(0, last)[0], states_CUH[0, :, half:]], dim=1)


class BiLstm(nn.Module):
    """One bidirectional layer over padded sequences [T, B, F] to [T, B, 2H]: padding is never read.

    The backward LSTM reads every sequence turned around within its own length. Two plain LSTMs were measured to train
    a third to a half faster on a CPU than one over packed sequences.
    """

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.ahead = nn.LSTM(inputs, units)
        self.back = nn.LSTM(inputs, units)
        for lstm in (self.ahead, self.back):
            for name, weights in lstm.named_parameters():
                if "weight_hh" in name:
                    for gate in weights.data.split(units):
                        nn.init.orthogonal_(gate)
                elif "weight_ih" in name:
                    nn.init.xavier_uniform_(weights)
                else:
                    nn.init.zeros_(weights)
                if name == "bias_ih_l0":
                    weights.data[units : 2 * units] = 1.0  # forget gates begin open

    def forward(self, inputs_TBF: Tensor, lengths_B: Tensor) -> Tensor:
        steps = torch.arange(len(inputs_TBF), device=inputs_TBF.device)[:, None]
        mirrored = lengths_B - 1 - steps
        turned = torch.where(mirrored >= 0, mirrored, steps)[..., None]
        ahead, _ = self.ahead(inputs_TBF)
        back, _ = self.back(inputs_TBF.gather(0, turned.expand_as(inputs_TBF)))
        return torch.cat([ahead, back.gather(0, turned.expand_as(back))], dim=2)


class VariationalDropout(nn.Module):
    """Drops the same features in all steps of a sequence [T, B, F] (Gal and Ghahramani 2016)."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, inputs_TBF: Tensor) -> Tensor:
        if not self.training or self.share == 0:
            return inputs_TBF
        kept = torch.empty_like(inputs_TBF[:1]).bernoulli_(1 - self.share)
        return inputs_TBF * (kept / (1 - self.share))


class BiLstmCrf(nn.Module):
    """From `service.tasks.token_classification.features.Batch` to emissions [B, T, K].

    Args:
        table: the given word vectors [V + 1, D]; row 0 is the unknown word.
        trained: how many of the first rows are tuned.
        characters: numbers of characters.
        allowed: [K + 2, K], as `Crf` takes it.
        auxiliary: how many labels the auxiliary column has.
    """

    def __init__(
        self,
        config: NetworkConfig,
        table: NDArray[np.float32],
        trained: int,
        characters: int,
        allowed: NDArray[np.bool_],
        *,
        auxiliary: int = 0,
        input_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        labels = allowed.shape[1]
        self.words = WordTable(table, trained)
        self.casing = nn.Embedding(len(CASINGS), CASING_DIMENSIONS)
        self.characters = _character_network(config.characters, config, characters)
        spelling = 0 if self.characters is None else config.character_units
        features = table.shape[1] + CASING_DIMENSIONS + spelling
        widths = [features] + [2 * config.hidden] * (config.layers - 1)
        self.layers = nn.ModuleList(BiLstm(width, config.hidden) for width in widths)
        self.input_dropout = VariationalDropout(input_dropout)
        self.dropout = VariationalDropout(dropout)
        self.output = nn.Linear(2 * config.hidden, labels)
        self.auxiliary = nn.Linear(2 * config.hidden, auxiliary) if auxiliary else None
        self.crf = Crf(allowed) if config.output == "crf" else None

    def forward(self, words: Tensor, characters: Tensor, casing: Tensor, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Emissions [B, T, K]; those beyond a sentence's length mean nothing."""
        states = self.states_TBF(words, characters, casing, tokens, lengths)
        emissions: Tensor = self.output(states).transpose(0, 1)
        return emissions

    def states_TBF(self, words: Tensor, characters: Tensor, casing: Tensor, tokens: Tensor, lengths: Tensor) -> Tensor:
        """What the last BiLSTM layer says of every token."""
        states: Tensor = self.input_dropout(functional.embedding(tokens.T, self.features(words, characters, casing)))
        for layer in self.layers:
            states = self.dropout(layer(states, lengths))
        return states

    def features(self, words: Tensor, characters: Tensor, casing: Tensor) -> Tensor:
        """What is known of each distinct word: [U, F], its vector, casing and spelling."""
        parts = [self.words(words), self.casing(casing)]
        if self.characters is not None:
            parts.append(self.characters(characters))
        return torch.cat(parts, dim=1)

    def loss(self, states_TBF: Tensor, labels_TB: Tensor, lengths_B: Tensor) -> Tensor:
        """Mean over the sentences of their negative log-likelihood."""
        emissions_TBK, mask_TB = self.output(states_TBF), _mask(labels_TB, lengths_B)
        if self.crf is None:
            return _independent(emissions_TBK, labels_TB, mask_TB)
        loss: Tensor = self.crf(emissions_TBK, labels_TB, mask_TB)
        return loss

    def auxiliary_loss(self, states_TBF: Tensor, labels_TB: Tensor, lengths_B: Tensor) -> Tensor:
        """The same of the auxiliary column, each of whose labels is predicted alone."""
        assert self.auxiliary is not None
        return _independent(self.auxiliary(states_TBF), labels_TB, _mask(labels_TB, lengths_B))


def _mask(labels_TB: Tensor, lengths_B: Tensor) -> Tensor:
    return torch.arange(len(labels_TB), device=labels_TB.device)[:, None] < lengths_B


def _independent(scores_TBK: Tensor, labels_TB: Tensor, mask_TB: Tensor) -> Tensor:
    losses = functional.cross_entropy(scores_TBK.flatten(0, 1), labels_TB.flatten(), reduction="none")
    return (losses * mask_TB.flatten()).sum() / mask_TB.shape[1]


def _character_network(
    kind: Literal["cnn", "bilstm", "none"], config: NetworkConfig, characters: int
) -> nn.Module | None:
    if kind == "none":
        return None
    network = CharacterCnn if kind == "cnn" else CharacterBiLstm
    return network(characters, config.character_dimensions, config.character_units)
