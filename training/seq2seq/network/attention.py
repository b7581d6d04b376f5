"""Attention over the source: dot, general (Luong et al. 2015) and additive (Bahdanau et al. 2015)."""

import math

import torch
from torch import Tensor, nn

from training.seq2seq.config import Attention as Kind


class Attention(nn.Module):
    """Global attention: the mean of the memory, weighted by its scores for a query.

    `dot` and `general` are Luong et al. 2015, section 3.1, eq. 8; `additive` is Bahdanau et al. 2015, section 3.1 and
    appendix A.1.2.

    Args:
        kind: the scoring function; not "none".
        query: size H of the queries, which are decoder outputs.
        memory: size D of the memory, the encoder outputs.
    """

    def __init__(self, kind: Kind, query: int, memory: int) -> None:
        super().__init__()
        self.kind = kind
        self.key = None if kind == "dot" else nn.Linear(memory, query, bias=False)
        self.query = nn.Linear(query, query) if kind == "additive" else None
        self.score = nn.Parameter(torch.empty(query)) if kind == "additive" else None
        if self.score is not None:
            nn.init.uniform_(self.score, -1 / math.sqrt(query), 1 / math.sqrt(query))

    def keys(self, memory_BSD: Tensor) -> Tensor:
        """The keys [B, S, A] of the memory, computed once for each source."""
        keys: Tensor = memory_BSD if self.key is None else self.key(memory_BSD)
        return keys

    def forward(
        self, query_BTH: Tensor, keys_BSA: Tensor, memory_BSD: Tensor, mask_BS: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The context [B, T, D] of each query, and the attention weights [B, T, S]; 0 where the mask is False."""
        if self.query is None or self.score is None:
            scores_BTS = query_BTH @ keys_BSA.transpose(1, 2)
        else:
            hidden_BTSA = torch.tanh(self.query(query_BTH).unsqueeze(2) + keys_BSA.unsqueeze(1))
            scores_BTS = hidden_BTSA @ self.score.to(hidden_BTSA.dtype)
        masked = at_least_float32(scores_BTS).masked_fill(~mask_BS.unsqueeze(1), -math.inf)
        weights_BTS = masked.softmax(dim=2)
        return weights_BTS.to(memory_BSD.dtype) @ memory_BSD, weights_BTS


def at_least_float32(values: Tensor) -> Tensor:
    """Half precision, which autocast uses, converted to float32; other values unchanged."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
