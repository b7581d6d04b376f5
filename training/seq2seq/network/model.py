"""The encoder-decoder: LSTM or GRU layers, with or without attention."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from service.tasks.translation.subwords import BEGIN, PAD, UNKNOWN
from training.seq2seq.config import NetworkConfig, TranslatorConfig
from training.seq2seq.network.attention import Attention, at_least_float32
from training.seq2seq.network.recurrent import Recurrent, token_dropout, variational_dropout


@dataclass(frozen=True)
class Memory:
    """The encoder's result for N sources."""

    values: Tensor
    """[N, S, D]: outputs of the top layer."""
    keys: Tensor | None
    """[N, S, A]: attention keys; None without attention."""
    mask: Tensor
    """[N, S]: True at the positions of source tokens, False at padding."""
    state: Tensor
    """[N, Z]: initial state of the decoder."""


class Encoder(nn.Module):
    """Bidirectional layers (Bahdanau et al. 2015, section 3.2), or backward ones, which read the source reversed
    (Sutskever et al. 2014, section 3.3).

    The backward direction reads each sentence reversed within its own length, so that padding comes last for it too.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        hidden = config.encoder_hidden
        self.width = hidden * (2 if config.bidirectional else 1)
        self.dropout, self.residual = config.dropout, config.residual or config.encoder_residual
        sizes = [config.embedding] + [self.width] * (config.encoder_layers - 1)
        self.backwards = nn.ModuleList(Recurrent(config.cell, size, hidden) for size in sizes)
        self.forwards = nn.ModuleList(
            Recurrent(config.cell, size, hidden) for size in (sizes if config.bidirectional else [])
        )
        self.norms = nn.ModuleList(nn.LayerNorm(self.width) for _ in (sizes if config.layer_norm else []))

    def clear_layers_from(self, first: int) -> None:
        """Make the layers from this one on give zeros, so that residual connections pass by them until they learn."""
        for layer in [*self.backwards[first:], *self.forwards[first:]]:
            assert isinstance(layer, Recurrent)
            layer.clear()

    def forward(self, inputs_BSE: Tensor, lengths_B: Tensor) -> tuple[Tensor, Tensor]:
        """The outputs of the top layer [B, S, D], and its last ones in each direction [B, D], forward first.

        Both have the outputs of the layers below added where the connections are residual.
        """
        positions = torch.arange(inputs_BSE.shape[1], device=inputs_BSE.device).unsqueeze(0)
        reverse_BS = torch.where(positions < lengths_B.unsqueeze(1), lengths_B.unsqueeze(1) - 1 - positions, positions)
        last_B11 = (lengths_B - 1).view(-1, 1, 1)
        outputs, final = inputs_BSE, inputs_BSE
        for number, backward in enumerate(self.backwards):
            below, final_below = outputs, final
            if number:
                outputs = variational_dropout(outputs, self.dropout, self.training)
            reversed_outputs = backward(_reordered(outputs, reverse_BS))
            parts, ends = [_reordered(reversed_outputs, reverse_BS)], [_at(reversed_outputs, last_B11)]
            if self.forwards:
                forward_outputs = self.forwards[number](outputs)
                parts, ends = [forward_outputs, *parts], [_at(forward_outputs, last_B11), *ends]
            outputs, final = torch.cat(parts, dim=2), torch.cat(ends, dim=1)
            if self.residual and number:
                outputs, final = outputs + below, final + final_below
            if self.norms:
                outputs = self.norms[number](outputs)
        return outputs, final


class Decoder(nn.Module):
    """Layers that read the target so far; the first or the last of them queries the attention.

    The last one does in Luong et al. 2015, section 3 (with input feeding, section 3.3). If the first one does, the
    layers above read its context, as in Wu et al. 2016, section 3. The readout is Luong's eq. 5.

    The state is one vector [.., Z]: the state of each layer, followed by the last readout with input feeding.
    """

    def __init__(self, config: NetworkConfig, memory: int) -> None:
        super().__init__()
        self.config = config
        hidden = config.hidden
        attends = config.attention != "none"
        self.attention = Attention(config.attention, hidden, memory) if attends else None
        self.attention_layer = 0 if config.attend_after == "first" else config.decoder_layers - 1
        sizes = [config.embedding + (config.embedding if config.input_feeding else 0)]
        for number in range(1, config.decoder_layers):
            sizes += [hidden + (memory if attends and number == self.attention_layer + 1 else 0)]
        self.layers = nn.ModuleList(Recurrent(config.cell, size, hidden) for size in sizes)
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in (sizes if config.layer_norm else []))
        self.readout = nn.Linear(hidden + (memory if attends else 0), config.embedding)
        self.state_sizes = [config.hidden * (2 if config.cell == "lstm" else 1)] * config.decoder_layers
        if config.input_feeding:
            self.state_sizes.append(config.embedding)

    def forward(self, inputs_BTE: Tensor, memory: Memory) -> Tensor:
        """The readouts [B, T, E] of whole targets."""
        if self.config.input_feeding:
            return self._step_by_step(inputs_BTE, memory)
        context = None
        outputs = inputs_BTE
        for number, (layer, state) in enumerate(zip(self.layers, self._states(memory.state), strict=True)):
            below = outputs
            if number:
                outputs = variational_dropout(outputs, self.config.dropout, self.training)
            if context is not None and number == self.attention_layer + 1:
                outputs = torch.cat([outputs, context.to(outputs.dtype)], dim=2)
            outputs = self._finish(layer(outputs, state), below, number)
            if number == self.attention_layer and self.attention is not None:
                assert memory.keys is not None
                context, _ = self.attention(outputs, memory.keys, memory.values, memory.mask)
        return self._read_out(outputs, context)

    def step(
        self, inputs_NWE: Tensor, state_NWZ: Tensor, memory: Memory, masks_RH: list[Tensor] | None = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """One step of the decoder for W hypotheses of each of N sources.

        Args:
            inputs_NWE: embeddings of the last tokens.
            state_NWZ: states before the step.
            memory: the encoder's output for the N sources.
            masks_RH: dropout masks of the R = N x W inputs of each layer but the first; for training.

        Returns:
            Readouts [N, W, E], states after the step [N, W, Z], and attention weights [N, W, S] or None.
        """
        shape = inputs_NWE.shape[:2]
        states = self._states(state_NWZ.flatten(0, 1))
        outputs, context, weights = inputs_NWE.flatten(0, 1), None, None
        if self.config.input_feeding:
            outputs = torch.cat([outputs, states.pop().to(outputs.dtype)], dim=1)
        next_states = []
        for number, (layer, state) in enumerate(zip(self._recurrent(), states, strict=True)):
            below = outputs
            if masks_RH and number:
                outputs = outputs * masks_RH[number - 1]
            if context is not None and number == self.attention_layer + 1:
                outputs = torch.cat([outputs, context.flatten(0, 1).to(outputs.dtype)], dim=1)
            next_states.append(layer.step(outputs, state))
            outputs = self._finish(next_states[-1][:, : self.config.hidden], below, number)
            if number == self.attention_layer and self.attention is not None:
                assert memory.keys is not None
                query = outputs.unflatten(0, shape)
                context, weights = self.attention(query, memory.keys, memory.values, memory.mask)
        readout = self._read_out(outputs.unflatten(0, shape), context)
        if self.config.input_feeding:
            next_states.append(readout.flatten(0, 1).to(next_states[0].dtype))
        return readout, torch.cat(next_states, dim=1).unflatten(0, shape), weights

    def _step_by_step(self, inputs_BTE: Tensor, memory: Memory) -> Tensor:
        state = memory.state.unsqueeze(1)
        ones = inputs_BTE.new_ones(len(inputs_BTE), 1, self.config.hidden)
        masks = [variational_dropout(ones, self.config.dropout, self.training).squeeze(1) for _ in self.layers[1:]]
        readouts = []
        for position in range(inputs_BTE.shape[1]):
            readout, state, _ = self.step(inputs_BTE[:, position : position + 1], state, memory, masks)
            readouts.append(readout)
        return torch.cat(readouts, dim=1)

    def _recurrent(self) -> list[Recurrent]:
        return [layer for layer in self.layers if isinstance(layer, Recurrent)]

    def _states(self, state_RZ: Tensor) -> list[Tensor]:
        return list(state_RZ.split(self.state_sizes, dim=1))

    def _finish(self, outputs: Tensor, below: Tensor, number: int) -> Tensor:
        """The outputs of a layer with its inputs added and normalized, where the settings say so."""
        if self.config.residual and number:
            outputs = outputs + below.to(outputs.dtype)
        normalized: Tensor = self.norms[number](outputs) if self.norms else outputs
        return normalized

    def _read_out(self, outputs: Tensor, context: Tensor | None) -> Tensor:
        inputs = outputs if context is None else torch.cat([outputs, context.to(outputs.dtype)], dim=-1)
        return torch.tanh(self.readout(inputs))


class Seq2Seq(nn.Module):
    """The network of a translator, from source tokens to scores of target tokens.

    Args:
        config: settings of the run.
        source_size: size of the source vocabulary.
        target_size: size V of the target vocabulary.
    """

    def __init__(self, config: TranslatorConfig, source_size: int, target_size: int) -> None:
        super().__init__()
        network = config.network
        self.config = network
        # With placeholders UNKNOWN stands for a copied word.
        self.forbidden = [PAD, BEGIN] if config.copies else [PAD, UNKNOWN, BEGIN]
        """Tokens that are never generated."""
        self.source_embedding = nn.Embedding(source_size, network.embedding)
        self.target_embedding = (
            self.source_embedding if network.tied == "all" else nn.Embedding(target_size, network.embedding)
        )
        self.output = nn.Linear(network.embedding, target_size)
        for matrix in (self.source_embedding.weight, self.target_embedding.weight, self.output.weight):
            nn.init.normal_(matrix, std=network.embedding**-0.5)
        nn.init.zeros_(self.output.bias)
        if network.tied != "none":  # Press and Wolf 2017
            self.output.weight = self.target_embedding.weight
        self.encoder = Encoder(network)
        self.decoder = Decoder(network, self.encoder.width)
        self.bridge = nn.Linear(self.encoder.width, sum(self._bridge_sizes()))

    def encode(self, source_BS: Tensor, lengths_B: Tensor) -> Memory:
        """Encode sources: tokens [B, S] with END, then PAD, and their lengths [B] with END."""
        inputs = self._embedding_dropout(self.source_embedding(source_BS))
        values, final = self.encoder(inputs, lengths_B)
        values = variational_dropout(values, self.config.dropout, self.training)
        attention = self.decoder.attention
        positions = torch.arange(source_BS.shape[1], device=source_BS.device).unsqueeze(0)
        return Memory(
            values=values,
            keys=None if attention is None else attention.keys(values),
            mask=positions < lengths_B.unsqueeze(1),
            state=self._initial_state(final),
        )

    def forward(self, source_BS: Tensor, lengths_B: Tensor, target_BT: Tensor) -> Tensor:
        """The readouts [B, T, E] of targets that begin with BEGIN; `output` turns them into scores [.., V]."""
        memory = self.encode(source_BS, lengths_B)
        readouts: Tensor = self.decoder(self._embedding_dropout(self.target_embedding(target_BT)), memory)
        return variational_dropout(readouts, self.config.dropout, self.training)

    def step(self, tokens_NW: Tensor, state_NWZ: Tensor, memory: Memory) -> tuple[Tensor, Tensor, Tensor | None]:
        """One step for W hypotheses of each of N sources.

        Args:
            tokens_NW: the last tokens.
            state_NWZ: states before the step.
            memory: the encoder's output for the N sources.

        Returns:
            Log-probabilities [N, W, V] of the next tokens, -inf for the `forbidden` ones; states after the step
            [N, W, Z]; and attention weights [N, W, S] or None.
        """
        readout, state, weights = self.decoder.step(self.target_embedding(tokens_NW), state_NWZ, memory)
        scores = at_least_float32(self.output(readout))
        scores[..., self.forbidden] = -math.inf
        return scores.log_softmax(dim=-1), state, weights

    @property
    def state_size(self) -> int:
        """Size Z of the decoder's state."""
        return sum(self.decoder.state_sizes)

    def _embedding_dropout(self, vectors: Tensor) -> Tensor:
        vectors = token_dropout(vectors, self.config.piece_dropout, self.training)
        return variational_dropout(vectors, self.config.embedding_dropout, self.training)

    def _bridge_sizes(self) -> list[int]:
        """Components of each layer's initial state that come from the encoder: h, and without attention c too.

        With attention c is zero; without it the state is all that the decoder knows of the source (Sutskever et al.
        2014).
        """
        sizes = self.decoder.state_sizes[: self.config.decoder_layers]
        return sizes if self.config.attention == "none" else [self.config.hidden] * len(sizes)

    def _initial_state(self, final_BD: Tensor) -> Tensor:
        """The decoder's initial state [B, Z]: tanh of a linear layer (Bahdanau et al. 2015, appendix A.2.2)."""
        parts = []
        for part, size in zip(
            torch.tanh(self.bridge(final_BD)).split(self._bridge_sizes(), dim=1), self.decoder.state_sizes, strict=False
        ):
            parts += [part, part.new_zeros(len(part), size - part.shape[1])]
        if self.config.input_feeding:
            parts.append(final_BD.new_zeros(len(final_BD), self.config.embedding))
        return torch.cat(parts, dim=1)


def _reordered(values_BTX: Tensor, positions_BT: Tensor) -> Tensor:
    return values_BTX.gather(1, positions_BT.unsqueeze(2).expand_as(values_BTX))


def _at(values_BTX: Tensor, position_B11: Tensor) -> Tensor:
    """The values [B, X] at one position of each sequence."""
    return values_BTX.gather(1, position_B11.expand(-1, 1, values_BTX.shape[2])).squeeze(1)
