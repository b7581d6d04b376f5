"""Recurrent layers: whole sequences in training, single steps in decoding, with the same weights."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.seq2seq.config import Cell


class Recurrent(nn.Module):
    """One layer of one direction: LSTM (Hochreiter and Schmidhuber 1997, with forget gates) or GRU (Cho et al. 2014).

    Its state is one vector [.., Z]: h, followed by c in an LSTM.
    """

    def __init__(self, cell: Cell, inputs: int, hidden: int) -> None:
        super().__init__()
        self.cell = cell
        self.hidden = hidden
        kind = nn.LSTM if cell == "lstm" else nn.GRU
        self.weights: nn.LSTM | nn.GRU = kind(inputs, hidden, batch_first=True)
        if cell == "lstm":
            # A forget gate that is open at first (Jozefowicz et al. 2015, section 2.2); PyTorch's gates are i, f, g, o.
            nn.init.ones_(self.weights.all_weights[0][2].data[hidden : 2 * hidden])

    @property
    def state_size(self) -> int:
        """Size Z of the state."""
        return self.hidden * (2 if self.cell == "lstm" else 1)

    def clear(self) -> None:
        """Make the layer give zeros, whatever it reads, until it is trained: its candidate values become 0."""
        with torch.no_grad():
            for weights in self.weights.parameters():
                # The third part in PyTorch's order, i, f, g, o of an LSTM and r, z, n of a GRU.
                weights[2 * self.hidden : 3 * self.hidden] = 0

    def forward(self, inputs_BTX: Tensor, state_BZ: Tensor | None = None) -> Tensor:
        """The outputs [B, T, H] of whole sequences; the initial state is `state_BZ`, or zeros."""
        initial = None
        if state_BZ is not None:
            parts = [part.unsqueeze(0).contiguous() for part in state_BZ.split(self.hidden, dim=1)]
            initial = tuple(parts) if self.cell == "lstm" else parts[0]
        outputs: Tensor = self.weights(inputs_BTX, initial)[0]
        return outputs

    def step(self, inputs_RX: Tensor, state_RZ: Tensor) -> Tensor:
        """The state [R, Z] after one more input; its first H components are the output."""
        h = state_RZ[:, : self.hidden]
        input_weights, state_weights, input_bias, state_bias = self.weights.all_weights[0]
        from_input = F.linear(inputs_RX, input_weights, input_bias)
        from_state = F.linear(h, state_weights, state_bias)
        if self.cell == "lstm":
            i, f, g, o = (from_input + from_state).chunk(4, dim=1)
            c = torch.sigmoid(f) * state_RZ[:, self.hidden :] + torch.sigmoid(i) * torch.tanh(g)
            return torch.cat([torch.sigmoid(o) * torch.tanh(c), c], dim=1)
        (reset_x, update_x, new_x), (reset_h, update_h, new_h) = from_input.chunk(3, dim=1), from_state.chunk(3, dim=1)
        update = torch.sigmoid(update_x + update_h)
        new = torch.tanh(new_x + torch.sigmoid(reset_x + reset_h) * new_h)
        return (1 - update) * new + update * h


def variational_dropout(values_BTX: Tensor, probability: float, training: bool) -> Tensor:
    """Variational dropout (Gal and Ghahramani 2016): the same components at all positions of a sequence."""
    if not training or probability == 0:
        return values_BTX
    mask = torch.empty(len(values_BTX), 1, values_BTX.shape[2], device=values_BTX.device).bernoulli_(1 - probability)
    return values_BTX * (mask / (1 - probability)).to(values_BTX.dtype)


def token_dropout(values_BTX: Tensor, probability: float, training: bool) -> Tensor:
    """Dropout of whole embeddings (Sennrich and Zhang 2019, section 3.2)."""
    if not training or probability == 0:
        return values_BTX
    mask = torch.empty(values_BTX.shape[:2], device=values_BTX.device).bernoulli_(1 - probability).unsqueeze(2)
    return values_BTX * (mask / (1 - probability)).to(values_BTX.dtype)
