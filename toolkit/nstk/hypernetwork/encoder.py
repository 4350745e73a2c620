"""BERT's text encoder, as far as a hypernetwork reads it.

It is written out because importing transformers takes longer than fitting a surrogate. Weights of a BERT fit, see
`checkpoint.load_encoder`.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from nstk.hypernetwork.configuration import NetworkConfig

_EPSILON = 1e-12  # BERT's


class Encoder(nn.Module):
    """Embeddings and layers of a BERT; token types are left out."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        hidden = config.hidden_size
        self.words = nn.Embedding(config.vocab_size, hidden, padding_idx=config.pad_token_id)
        self.places = nn.Embedding(config.max_position_embeddings, hidden)
        self.norm = nn.LayerNorm(hidden, eps=_EPSILON)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.num_hidden_layers))

    def forward(self, embedded: Tensor, attention_mask: Tensor) -> Tensor:
        """Encode texts.

        Args:
            embedded: Tokens `(B, T, hidden)`, as `words` embeds them or with more added.
            attention_mask: 1 for tokens that are there `(B, T)`.

        Returns:
            What stands at [CLS], the first token `(B, hidden)`.
        """
        states = self.dropout(self.norm(embedded + self.places.weight[: embedded.shape[1]]))
        mask = torch.where(attention_mask[:, None, None] > 0, 0.0, -1e4)  # added to the logits, (B, 1, 1, T)
        *layers, last = self.layers
        for layer in layers:
            states = layer(states, states, mask)
        # Of the last layer only what stands at [CLS] is read: two thirds of its work can be left out.
        return last(states[:, :1], states, mask)[:, 0]  # type: ignore[no-any-return]


class _Layer(nn.Module):
    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        hidden, wide = config.hidden_size, config.intermediate_size
        self.heads = config.num_attention_heads
        self.query, self.key, self.value, self.joined = (nn.Linear(hidden, hidden) for _ in range(4))
        self.wide, self.narrow = nn.Linear(hidden, wide), nn.Linear(wide, hidden)
        self.joined_norm, self.narrow_norm = (nn.LayerNorm(hidden, eps=_EPSILON) for _ in range(2))
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, own: Tensor, states: Tensor, mask: Tensor) -> Tensor:
        """Return what some tokens `(B, Q, hidden)` are after reading all of them `(B, T, hidden)`."""
        query, key, value = (
            read(source).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for read, source in ((self.query, own), (self.key, states), (self.value, states))
        )  # (B, heads, Q or T, hidden / heads)
        # Fused attention is slow on CPUs: its backward pass alone took a third of a step.
        weight = self.dropout((query @ key.mT * query.shape[-1] ** -0.5 + mask).softmax(-1))  # (B, heads, Q, T)
        there = (weight @ value).transpose(1, 2).flatten(2)
        states = self.joined_norm(self.dropout(self.joined(there)) + own)
        return self.narrow_norm(self.dropout(self.narrow(functional.gelu(self.wide(states)))) + states)  # type: ignore[no-any-return]
