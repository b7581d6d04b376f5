"""The encoder-decoder: LSTM or GRU layers, with attention or without."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from service.tasks.translation.subwords import BEGIN, PAD, UNKNOWN
from training.seq2seq.config import NetworkConfig, TranslatorConfig
from training.seq2seq.network.attention import Attention, at_least_float32
from training.seq2seq.network.recurrent import Recurrent, drop, drop_pieces


@dataclass(frozen=True)
class Memory:
    """What the encoder leaves of N sources."""

    values: Tensor
    """[N, S, D]: the top layer's outputs."""
    keys: Tensor | None
    """[N, S, A]: what attention scores them by; None without attention."""
    mask: Tensor
    """[N, S]: True where a source piece stands."""
    state: Tensor
    """[N, Z]: where the decoder begins."""


class Encoder(nn.Module):
    """Bidirectional layers (Bahdanau et al. 2015, section 3.2), or backward ones, which read the source reversed
    (Sutskever et al. 2014, section 3.3).

    Padding stands after the end for both directions: the backward one reads each sentence reversed in its own length.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        hidden = config.encoder_hidden
        self.width = hidden * (2 if config.bidirectional else 1)
        self.dropout = config.dropout
        sizes = [config.embedding] + [self.width] * (config.encoder_layers - 1)
        self.backwards = nn.ModuleList(Recurrent(config.cell, size, hidden) for size in sizes)
        self.forwards = nn.ModuleList(
            Recurrent(config.cell, size, hidden) for size in (sizes if config.bidirectional else [])
        )
        self.norms = nn.ModuleList(nn.LayerNorm(self.width) for _ in (sizes if config.layer_norm else []))

    def forward(self, inputs_BSE: Tensor, lengths_B: Tensor) -> tuple[Tensor, Tensor]:
        """The top layer's outputs [B, S, D], and what each direction ends with [B, D], forward first."""
        places = torch.arange(inputs_BSE.shape[1], device=inputs_BSE.device).unsqueeze(0)
        reverse_BS = torch.where(places < lengths_B.unsqueeze(1), lengths_B.unsqueeze(1) - 1 - places, places)
        last_B11 = (lengths_B - 1).view(-1, 1, 1)
        outputs, final = inputs_BSE, inputs_BSE
        for number, backward in enumerate(self.backwards):
            if number:
                outputs = drop(outputs, self.dropout, self.training)
            read_back = backward(_reordered(outputs, reverse_BS))
            parts, ends = [_reordered(read_back, reverse_BS)], [_at(read_back, last_B11)]
            if self.forwards:
                ahead = self.forwards[number](outputs)
                parts, ends = [ahead, *parts], [_at(ahead, last_B11), *ends]
            outputs, final = torch.cat(parts, dim=2), torch.cat(ends, dim=1)
            if self.norms:
                outputs = self.norms[number](outputs)
        return outputs, final


class Decoder(nn.Module):
    """Layers that read the target so far, and ask the encoder's memory after the first or after the last of them.

    After the last it is Luong et al. 2015, section 3 (with input feeding, section 3.3); after the first, the layers
    above read what was attended to, as in Wu et al. 2016, section 3. The readout is Luong's eq. 5.

    Its state is one row [.., Z]: that of each layer, and with input feeding the readout after them.
    """

    def __init__(self, config: NetworkConfig, memory: int) -> None:
        super().__init__()
        self.config = config
        hidden = config.hidden
        attends = config.attention != "none"
        self.attention = Attention(config.attention, hidden, memory) if attends else None
        self.asks_after = 0 if config.attend_after == "first" else config.decoder_layers - 1
        sizes = [config.embedding + (config.embedding if config.input_feeding else 0)]
        for number in range(1, config.decoder_layers):
            sizes += [hidden + (memory if attends and number == self.asks_after + 1 else 0)]
        self.layers = nn.ModuleList(Recurrent(config.cell, size, hidden) for size in sizes)
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in (sizes if config.layer_norm else []))
        self.readout = nn.Linear(hidden + (memory if attends else 0), config.embedding)
        self.state_sizes = [config.hidden * (2 if config.cell == "lstm" else 1)] * config.decoder_layers
        if config.input_feeding:
            self.state_sizes.append(config.embedding)

    def forward(self, inputs_BTE: Tensor, memory: Memory) -> Tensor:
        """The readouts [B, T, E] of whole targets."""
        if self.config.input_feeding:
            return self._one_by_one(inputs_BTE, memory)
        context = None
        outputs = inputs_BTE
        for number, (layer, state) in enumerate(zip(self.layers, self._states(memory.state), strict=True)):
            if number:
                outputs = drop(outputs, self.config.dropout, self.training)
            if context is not None and number == self.asks_after + 1:
                outputs = torch.cat([outputs, context.to(outputs.dtype)], dim=2)
            outputs = self._normed(layer(outputs, state), number)
            if number == self.asks_after and self.attention is not None:
                assert memory.keys is not None
                context, _ = self.attention(outputs, memory.keys, memory.values, memory.mask)
        return self._read_out(outputs, context)

    def step(
        self, inputs_NWE: Tensor, state_NWZ: Tensor, memory: Memory, masks_RH: list[Tensor] | None = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """One piece further: readouts [N, W, E], states [N, W, Z], and weights [N, W, S] where there is attention.

        In training each layer's inputs from the one below are multiplied with `masks_RH`.
        """
        shape = inputs_NWE.shape[:2]
        states = self._states(state_NWZ.flatten(0, 1))
        outputs, context, weights = inputs_NWE.flatten(0, 1), None, None
        if self.config.input_feeding:
            outputs = torch.cat([outputs, states.pop().to(outputs.dtype)], dim=1)
        after = []
        for number, (layer, state) in enumerate(zip(self._recurrent(), states, strict=True)):
            if masks_RH and number:
                outputs = outputs * masks_RH[number - 1]
            if context is not None and number == self.asks_after + 1:
                outputs = torch.cat([outputs, context.flatten(0, 1).to(outputs.dtype)], dim=1)
            after.append(layer.step(outputs, state))
            outputs = self._normed(after[-1][:, : self.config.hidden], number)
            if number == self.asks_after and self.attention is not None:
                assert memory.keys is not None
                query = outputs.unflatten(0, shape)
                context, weights = self.attention(query, memory.keys, memory.values, memory.mask)
        readout = self._read_out(outputs.unflatten(0, shape), context)
        if self.config.input_feeding:
            after.append(readout.flatten(0, 1).to(after[0].dtype))
        return readout, torch.cat(after, dim=1).unflatten(0, shape), weights

    def _one_by_one(self, inputs_BTE: Tensor, memory: Memory) -> Tensor:
        state = memory.state.unsqueeze(1)
        whole = inputs_BTE.new_ones(len(inputs_BTE), 1, self.config.hidden)
        masks = [drop(whole, self.config.dropout, self.training).squeeze(1) for _ in self.layers[1:]]
        readouts = []
        for place in range(inputs_BTE.shape[1]):
            readout, state, _ = self.step(inputs_BTE[:, place : place + 1], state, memory, masks)
            readouts.append(readout)
        return torch.cat(readouts, dim=1)

    def _recurrent(self) -> list[Recurrent]:
        return [layer for layer in self.layers if isinstance(layer, Recurrent)]

    def _states(self, state_RZ: Tensor) -> list[Tensor]:
        return list(state_RZ.split(self.state_sizes, dim=1))

    def _normed(self, outputs: Tensor, number: int) -> Tensor:
        normed: Tensor = self.norms[number](outputs) if self.norms else outputs
        return normed

    def _read_out(self, outputs: Tensor, context: Tensor | None) -> Tensor:
        seen = outputs if context is None else torch.cat([outputs, context.to(outputs.dtype)], dim=-1)
        return torch.tanh(self.readout(seen))


class Seq2Seq(nn.Module):
    """A translator's network: pieces in, scores of pieces out.

    Args:
        config: the run's.
        source_size: pieces of the source vocabulary.
        target_size: pieces V of the target vocabulary.
    """

    def __init__(self, config: TranslatorConfig, source_size: int, target_size: int) -> None:
        super().__init__()
        network = config.network
        self.config = network
        # UNKNOWN stands for what is copied.
        self.never = [PAD, BEGIN] if config.copies else [PAD, UNKNOWN, BEGIN]
        """Pieces that are never answered."""
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
        self.bridge = nn.Linear(self.encoder.width, sum(self._bridged()))

    def encode(self, source_BS: Tensor, lengths_B: Tensor) -> Memory:
        """Read sources: pieces [B, S], END included, PAD after the end, and their lengths [B]."""
        inputs = self._embedded(self.source_embedding(source_BS))
        values, final = self.encoder(inputs, lengths_B)
        values = drop(values, self.config.dropout, self.training)
        attention = self.decoder.attention
        places = torch.arange(source_BS.shape[1], device=source_BS.device).unsqueeze(0)
        return Memory(
            values=values,
            keys=None if attention is None else attention.keys(values),
            mask=places < lengths_B.unsqueeze(1),
            state=self._first_state(final),
        )

    def forward(self, source_BS: Tensor, lengths_B: Tensor, target_BT: Tensor) -> Tensor:
        """The readouts [B, T, E] for targets that begin with BEGIN; `output` makes them scores [.., V]."""
        memory = self.encode(source_BS, lengths_B)
        readouts: Tensor = self.decoder(self._embedded(self.target_embedding(target_BT)), memory)
        return drop(readouts, self.config.dropout, self.training)

    def step(self, tokens_NW: Tensor, state_NWZ: Tensor, memory: Memory) -> tuple[Tensor, Tensor, Tensor | None]:
        """Log-probabilities [N, W, V] of the next piece of N sources' W hypotheses each, the states [N, W, Z] after
        `tokens_NW`, and the attention [N, W, S]. The pieces of `never` have none: -inf."""
        readout, state, weights = self.decoder.step(self.target_embedding(tokens_NW), state_NWZ, memory)
        scores = at_least_float32(self.output(readout))
        scores[..., self.never] = -math.inf
        return scores.log_softmax(dim=-1), state, weights

    @property
    def state_size(self) -> int:
        """Units Z of the decoder's state."""
        return sum(self.decoder.state_sizes)

    def _embedded(self, vectors: Tensor) -> Tensor:
        vectors = drop_pieces(vectors, self.config.piece_dropout, self.training)
        return drop(vectors, self.config.embedding_dropout, self.training)

    def _bridged(self) -> list[int]:
        """How many units of each layer's state come from the encoder: h, and the LSTM's c too where nothing but the
        state tells the decoder of the source (Sutskever et al. 2014); with attention c begins at zero."""
        sizes = self.decoder.state_sizes[: self.config.decoder_layers]
        return sizes if self.config.attention == "none" else [self.config.hidden] * len(sizes)

    def _first_state(self, final_BD: Tensor) -> Tensor:
        """The decoder's first state [B, Z]: tanh of a linear layer (Bahdanau et al. 2015, appendix A.2.2)."""
        parts = []
        for given, size in zip(
            torch.tanh(self.bridge(final_BD)).split(self._bridged(), dim=1), self.decoder.state_sizes, strict=False
        ):
            parts += [given, given.new_zeros(len(given), size - given.shape[1])]
        if self.config.input_feeding:
            parts.append(final_BD.new_zeros(len(final_BD), self.config.embedding))
        return torch.cat(parts, dim=1)


def _reordered(values_BTX: Tensor, places_BT: Tensor) -> Tensor:
    return values_BTX.gather(1, places_BT.unsqueeze(2).expand_as(values_BTX))


def _at(values_BTX: Tensor, place_B11: Tensor) -> Tensor:
    """The values [B, X] at one place of each sequence."""
    return values_BTX.gather(1, place_B11.expand(-1, 1, values_BTX.shape[2])).squeeze(1)
