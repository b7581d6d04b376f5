"""BiLSTM-CRF: Lample et al. 2016, "Neural Architectures for Named Entity Recognition", and Ma and Hovy 2016,
"End-to-end Sequence Labeling via Bi-directional LSTM-CNNs-CRF".

Shapes: B sentences of T tokens, U distinct words of C characters, D word dimensions, F features, H units, K labels,
V words in the vocabulary.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from service.tasks.token_classification.features import CASINGS
from training.bilstm_crf.config import Characters, NetworkConfig
from training.bilstm_crf.network.crf import Crf

CASING_DIMENSIONS = 8
_KERNEL_SIZE = 3  # Ma and Hovy, section 3.1


class WordTable(nn.Module):
    """Word embeddings: fixed pretrained vectors, and for the first `trained` rows a learned difference.

    Only the trained rows have gradients and optimizer state, however large the vocabulary is.

    Args:
        pretrained: the pretrained vectors [V+1, D].
        trained: the number of rows that are fine-tuned.
    """

    pretrained: Tensor

    def __init__(self, pretrained: NDArray[np.float32], trained: int) -> None:
        super().__init__()
        self.register_buffer("pretrained", torch.from_numpy(pretrained))
        self.difference = nn.Parameter(torch.zeros(trained, pretrained.shape[1]))

    def forward(self, rows_U: Tensor) -> Tensor:
        vectors = functional.embedding(rows_U, self.pretrained)
        tuned = rows_U < len(self.difference)
        difference = functional.embedding(torch.where(tuned, rows_U, 0), self.difference)
        return vectors + difference * tuned[:, None]

    @torch.no_grad()
    def rows(self) -> Tensor:
        """The sum of vectors and differences [V+1, D]."""
        table = self.pretrained.clone()
        table[: len(self.difference)] += self.difference
        return table


class CharacterCnn(nn.Module):
    """Characters [U, C] to [U, units]: convolution and max-pooling over time (Ma and Hovy, section 2.1)."""

    def __init__(self, characters: int, dimensions: int, units: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, dimensions, padding_idx=0)
        self.convolution = nn.Conv1d(dimensions, units, _KERNEL_SIZE, padding=_KERNEL_SIZE // 2)

    def forward(self, characters_UC: Tensor) -> Tensor:
        maps = self.convolution(self.embedding(characters_UC).transpose(1, 2))
        # Padding never wins, so a word's features do not depend on the longer words of its batch.
        pooled: Tensor = maps.masked_fill((characters_UC == 0)[:, None], -1e4).amax(2)
        return pooled


class CharacterBiLstm(nn.Module):
    """Characters [U, C] to [U, units]: the final states of a bidirectional LSTM (Lample et al., section 4.1)."""

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
    """A bidirectional LSTM layer over padded sequences, [T, B, F] to [T, B, 2H]; padding is never read.

    The backward LSTM reads each sequence reversed within its own length. Two plain LSTMs were measured to train a third
    to a half faster on a CPU than one over packed sequences.
    """

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.forward_lstm = nn.LSTM(inputs, units)
        self.backward_lstm = nn.LSTM(inputs, units)
        for lstm in (self.forward_lstm, self.backward_lstm):
            for name, weights in lstm.named_parameters():
                if "weight_hh" in name:
                    for gate in weights.data.split(units):
                        nn.init.orthogonal_(gate)
                elif "weight_ih" in name:
                    nn.init.xavier_uniform_(weights)
                else:
                    nn.init.zeros_(weights)
                if name == "bias_ih_l0":
                    weights.data[units : 2 * units] = 1.0  # forget gates start open

    def forward(self, inputs_TBF: Tensor, lengths_B: Tensor) -> Tensor:
        steps = torch.arange(len(inputs_TBF), device=inputs_TBF.device)[:, None]
        mirrored = lengths_B - 1 - steps
        reversal = torch.where(mirrored >= 0, mirrored, steps)[..., None]
        forward, _ = self.forward_lstm(inputs_TBF)
        backward, _ = self.backward_lstm(inputs_TBF.gather(0, reversal.expand_as(inputs_TBF)))
        return torch.cat([forward, backward.gather(0, reversal.expand_as(backward))], dim=2)


_CHARACTER_ENCODERS: dict[Characters, Sequence[type[CharacterCnn | CharacterBiLstm]]] = {
    "none": (),
    "cnn": (CharacterCnn,),
    "bilstm": (CharacterBiLstm,),
    "cnn+bilstm": (CharacterCnn, CharacterBiLstm),
}
"""The encoders of a word's characters, whose features are concatenated in this order."""


class VariationalDropout(nn.Module):
    """Drops the same features at all steps of a sequence [T, B, F] (Gal and Ghahramani 2016)."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, inputs_TBF: Tensor) -> Tensor:
        if not self.training or self.probability == 0:
            return inputs_TBF
        mask = torch.empty_like(inputs_TBF[:1]).bernoulli_(1 - self.probability)
        return inputs_TBF * (mask / (1 - self.probability))


class BiLstmCrf(nn.Module):
    """BiLSTM-CRF: maps a `service.tasks.token_classification.features.Batch` to emissions [B, T, K].

    Args:
        config: the sizes and variants of the layers.
        table: the pretrained word vectors [V+1, D]; row 0 is the unknown word.
        trained: the number of rows that are fine-tuned, the first ones.
        characters: size of the character vocabulary, including padding and the unknown character.
        allowed: the allowed transitions [K+2, K], see `Crf`.
        auxiliary: number of labels of the auxiliary column; 0 for none.
        input_dropout: dropout of a word's features.
        dropout: dropout between and after the BiLSTM layers.
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
        self.characters = nn.ModuleList(
            encoder(characters, config.character_dimensions, config.character_units)
            for encoder in _CHARACTER_ENCODERS[config.characters]
        )
        features = table.shape[1] + CASING_DIMENSIONS + config.character_units * len(self.characters)
        widths = [features] + [2 * config.hidden] * (config.layers - 1)
        self.layers = nn.ModuleList(BiLstm(width, config.hidden) for width in widths)
        self.input_dropout = VariationalDropout(input_dropout)
        self.dropout = VariationalDropout(dropout)
        self.output = nn.Linear(2 * config.hidden, labels)
        self.auxiliary = nn.Linear(2 * config.hidden, auxiliary) if auxiliary else None
        self.crf = Crf(allowed, config.transition_rank) if config.output == "crf" else None

    @property
    def width(self) -> int:
        """The number of features of a word."""
        first = self.layers[0]
        assert isinstance(first, BiLstm)
        return first.forward_lstm.input_size

    def forward(self, words: Tensor, characters: Tensor, casing: Tensor, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Emissions [B, T, K]; undefined beyond a sentence's length."""
        states = self.states_TBF(words, characters, casing, tokens, lengths)
        emissions: Tensor = self.output(states).transpose(0, 1)
        return emissions

    def states_TBF(self, words: Tensor, characters: Tensor, casing: Tensor, tokens: Tensor, lengths: Tensor) -> Tensor:
        """The states of the last BiLSTM layer, [T, B, 2H]."""
        states: Tensor = self.input_dropout(functional.embedding(tokens.T, self.features(words, characters, casing)))
        for layer in self.layers:
            states = self.dropout(layer(states, lengths))
        return states

    def features(self, words: Tensor, characters: Tensor, casing: Tensor) -> Tensor:
        """The features of each distinct word [U, F]: its vector, casing and characters."""
        encoded = [encoder(characters) for encoder in self.characters]
        return torch.cat([self.words(words), self.casing(casing), *encoded], dim=1)

    def loss(self, states_TBF: Tensor, labels_TB: Tensor, lengths_B: Tensor) -> Tensor:
        """The mean negative log-likelihood of the sentences."""
        emissions_TBK, mask_TB = self.output(states_TBF).float(), _mask(labels_TB, lengths_B)
        if self.crf is None:
            return _softmax_loss(emissions_TBK, labels_TB, mask_TB)
        loss: Tensor = self.crf(emissions_TBK, labels_TB, mask_TB)
        return loss

    def auxiliary_loss(self, states_TBF: Tensor, labels_TB: Tensor, lengths_B: Tensor) -> Tensor:
        """The same for the auxiliary column, whose labels are predicted independently."""
        assert self.auxiliary is not None
        return _softmax_loss(self.auxiliary(states_TBF), labels_TB, _mask(labels_TB, lengths_B))


def _mask(labels_TB: Tensor, lengths_B: Tensor) -> Tensor:
    return torch.arange(len(labels_TB), device=labels_TB.device)[:, None] < lengths_B


def _softmax_loss(scores_TBK: Tensor, labels_TB: Tensor, mask_TB: Tensor) -> Tensor:
    losses = functional.cross_entropy(scores_TBK.flatten(0, 1), labels_TB.flatten(), reduction="none")
    return (losses * mask_TB.flatten()).sum() / mask_TB.shape[1]


_RENAMED_WEIGHTS = {
    ".ahead.": ".forward_lstm.",
    ".back.": ".backward_lstm.",
    "words.given": "words.pretrained",
    "characters.embedding.": "characters.0.embedding.",
    "characters.convolution.": "characters.0.convolution.",
    "characters.lstm.": "characters.0.lstm.",
}


def upgrade_weights(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a checkpoint under today's names; earlier versions had others."""
    upgraded = {}
    for name, values in state.items():
        for old, new in _RENAMED_WEIGHTS.items():
            name = name.replace(old, new)
        upgraded[name] = values
    return upgraded
