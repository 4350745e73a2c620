"""Configuration of CompNet, and its presets."""

from dataclasses import dataclass, field
from typing import Any

#: `model_type` of the checkpoints.
MODEL_TYPE = "nstk_compnet"

#: What `nstk train --preset` takes. The paper's model reads text as it stands and knows no domain but [-1, 1].
PRESETS: dict[str, dict[str, Any]] = {
    "compnet": {},
    "compnet-paper": {
        "use_values": False,
        "use_domain": False,
        "use_probes": False,
        "predicts_scale": False,
        "fits_output": False,
        "normalized_text": False,
        "composes": False,
        "trunk_blocks": 0,
        "topologies": [[4, 4]],
        "candidates": [1],
        "hidden_dropout_prob": 0.1,
    },
}


@dataclass(kw_only=True)
class NetworkConfig:
    """Shape of a CompNet; the defaults are the model that ships, `PRESETS` changes them.

    Attributes:
        vocab_size: Tokens of the tokenizer.
        hidden_size: Width of the text encoder; with the next three BERT-Tiny's.
        num_hidden_layers: Its layers.
        num_attention_heads: Its heads.
        intermediate_size: Width of its feed-forward layers.
        max_position_embeddings: Longest text, in tokens.
        hidden_dropout_prob: Of the encoder.
        composes: What a token stands for is computed from its operands, formulas upward from their inputs; attention
            reads only text that has no formula.
        composition_size: Width of the layer between that computes it.
        pad_token_id: Token that fills up batches.
        first_argument: Token of a program's first argument, those of the others follow it; -1 if there are none.
        inputs: Inputs of the covering topologies.
        probes: Outputs at fixed inputs that may be given.
        use_text: Read program text.
        use_values: Embed factors, constants and ranges.
        use_domain: Read centre and half-width of every input's interval.
        use_probes: Read probes.
        predicts_scale: Surrogates compute standardized outputs; mean and scale are predicted from the text.
        fits_output: The output layer is fitted to the probes, given or predicted, by least squares.
        normalized_text: The tokenizer normalizes names and carries values.
        trunk_width: Width of the residual MLP that reads the probes.
        trunk_blocks: Its blocks; without any, parameters are linear in the encoded text.
        topologies: Hidden widths of the covering topologies, one head each.
        candidates: Parameter vectors each head writes; the largest head one less, to keep the file below 12 MB.
    """

    vocab_size: int = 248
    hidden_size: int = 128
    num_hidden_layers: int = 2
    num_attention_heads: int = 2
    intermediate_size: int = 512
    max_position_embeddings: int = 512
    hidden_dropout_prob: float = 0.0
    composes: bool = True
    composition_size: int = 384
    pad_token_id: int = 0
    first_argument: int = 7
    inputs: int = 9
    probes: int = 256
    use_text: bool = True
    use_values: bool = True
    use_domain: bool = True
    use_probes: bool = True
    predicts_scale: bool = True
    fits_output: bool = True
    normalized_text: bool = True
    trunk_width: int = 512
    trunk_blocks: int = 6
    topologies: list[list[int]] = field(default_factory=lambda: [[4, 4], [8, 8], [16, 16]])
    candidates: list[int] = field(default_factory=lambda: [4, 4, 3])
