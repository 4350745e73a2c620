"""Folders of trained hypernetworks: `config.json`, `model.safetensors` and `tokenizer.json`. Nothing is unpickled.

They are written by transformers, and read by whatever knows its format. To compile a program they are read without it:
importing transformers takes longer than fitting a surrogate.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor

from nstk.errors import UsageError
from nstk.hypernetwork.configuration import MODEL_TYPE, NetworkConfig
from nstk.hypernetwork.network import HyperNetwork
from nstk.hypernetwork.tokenization import MAX_TOKENS, ProgramTokenizer

_HINT = "name a folder that nstk train wrote: it holds config.json, model.safetensors and tokenizer.json"
_PREFIX = "network."  # of the names of weights
#: Names of a BERT's weights, and ours.
_BERT_NAMES = {
    "embeddings.word_embeddings": "words",
    "embeddings.position_embeddings": "places",
    "embeddings.LayerNorm": "norm",
    "encoder.layer": "layers",
    "attention.self.": "",
    "attention.output.dense": "joined",
    "attention.output.LayerNorm": "joined_norm",
    "intermediate.dense": "wide",
    "output.dense": "narrow",
    "output.LayerNorm": "narrow_norm",
}


def save_checkpoint(
    network: HyperNetwork, tokenizer: ProgramTokenizer, folder: Path, dtype: torch.dtype = torch.float32
) -> None:
    """Write a hypernetwork into a folder.

    Args:
        network: The network.
        tokenizer: Its tokenizer.
        folder: Existing or not.
        dtype: Of the stored weights; half precision halves the file, and is read back as float32.
    """
    from transformers import PreTrainedTokenizerFast

    from nstk.hypernetwork.modeling import CompNet, CompNetConfig

    with _quiet():
        stored = CompNet(CompNetConfig(**asdict(network.config)))
        stored.network.load_state_dict(network.state_dict())
        torch.nn.Module.to(stored, dtype).save_pretrained(folder)
        PreTrainedTokenizerFast(
            tokenizer_object=tokenizer.tokenizer,
            model_max_length=MAX_TOKENS,
            **{f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")},
        ).save_pretrained(folder)


def load_checkpoint(folder: Path) -> tuple[HyperNetwork, ProgramTokenizer]:
    """Load a hypernetwork, in float32 and ready to compile.

    Raises:
        UsageError: A file is missing or damaged, or it is another kind of model.
    """
    try:
        record = json.loads((folder / "config.json").read_text())
        if not isinstance(record, dict) or record.get("model_type") != MODEL_TYPE:
            raise ValueError("it is another kind of model")
        own = {field.name for field in fields(NetworkConfig)}
        config = NetworkConfig(**{name: value for name, value in record.items() if name in own})
        weights = _read_weights(folder)
        # Not on the meta device: drawing there imports torch's compiler, which takes seconds. Drawn here, the weights
        # are replaced below, and the caller's generator stays as it was.
        with torch.random.fork_rng(devices=[]):
            network = HyperNetwork(config)
        network.load_state_dict(weights, assign=True)
        tokenizer = _read_tokenizer(folder)
        if tokenizer.get_vocab_size() != config.vocab_size:
            raise ValueError("tokenizer.json does not fit the model")
        if not all(bool(tensor.isfinite().all()) for tensor in weights.values()):
            raise ValueError("a weight is not finite")
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, AttributeError, SafetensorError) as error:
        raise UsageError(f"{folder}: cannot load a hypernetwork ({_first_line(error)})", _HINT) from error
    return network.eval(), ProgramTokenizer(tokenizer, config.normalized_text)


def load_weights(network: HyperNetwork, folder: Path) -> list[str]:
    """Take weights from another hypernetwork, as far as names and shapes agree.

    Args:
        network: Gets them.
        folder: As `save_checkpoint` writes it.

    Returns:
        Names of the network's tensors that were left as they are.

    Raises:
        UsageError: The folder holds no checkpoint, or none of its tensors fits.
    """
    try:
        theirs = _read_weights(folder)
    except (OSError, SafetensorError) as error:
        raise UsageError(f"{folder}: cannot load a hypernetwork ({_first_line(error)})", _HINT) from error
    left = _take_fitting(network, theirs)
    if len(left) == len(network.state_dict()):
        raise UsageError(f"{folder}: none of its weights fits this model", _HINT)
    return left


def load_encoder(network: HyperNetwork, folder: Path) -> list[str]:
    """Take the text encoder's weights from a BERT checkpoint, as far as shapes agree.

    Args:
        network: Gets them.
        folder: In the layout of `prajjwal1/bert-tiny`, with its weights as safetensors.

    Returns:
        Names of the encoder's tensors that were left as they are.

    Raises:
        UsageError: The folder holds no such checkpoint.
    """
    from transformers import BertModel

    try:
        with _quiet():
            loaded = BertModel.from_pretrained(
                folder, add_pooling_layer=False, use_safetensors=True, local_files_only=True
            )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise UsageError(
            f"{folder}: cannot load an encoder ({_first_line(error)})", "it needs BERT's safetensors"
        ) from error
    theirs: dict[str, Tensor] = loaded.state_dict()
    # All tokens are of the first type: what BERT adds for it belongs to the place.
    theirs["embeddings.position_embeddings.weight"] += theirs.pop("embeddings.token_type_embeddings.weight")[0]
    return _take_fitting(network.encoder, {_rename(name): tensor for name, tensor in theirs.items()})


def load_word_pieces(folder: Path) -> Tokenizer:
    """Load the tokenizer of a pretrained text encoder.

    Raises:
        UsageError: The folder holds none.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    try:
        with _quiet():
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        if not isinstance(tokenizer, PreTrainedTokenizerFast):
            raise ValueError("it is another kind")
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(
            f"{folder}: cannot load a tokenizer ({_first_line(error)})", "it needs vocab.txt or tokenizer.json"
        ) from None
    found: Tokenizer = tokenizer.backend_tokenizer
    found.enable_truncation(MAX_TOKENS)
    return found


def _read_weights(folder: Path) -> dict[str, Tensor]:
    found = load_file(folder / "model.safetensors")
    return {name.removeprefix(_PREFIX): tensor.float() for name, tensor in found.items()}


def _read_tokenizer(folder: Path) -> Tokenizer:
    try:
        return Tokenizer.from_str((folder / "tokenizer.json").read_text())
    except Exception as error:  # tokenizers raise nothing more precise
        raise ValueError(f"tokenizer.json: {_first_line(error)}") from error


def _take_fitting(module: torch.nn.Module, theirs: dict[str, Tensor]) -> list[str]:
    """Load what fits into a module; returns the names of its other tensors."""
    ours = module.state_dict()
    fitting = {name: t for name, t in theirs.items() if name in ours and ours[name].shape == t.shape}
    module.load_state_dict(fitting, strict=False)
    return [name for name in ours if name not in fitting]


def _rename(name: str) -> str:
    for theirs, ours in _BERT_NAMES.items():
        name = name.replace(theirs, ours)
    return name


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' progress bars and warnings off the terminal: errors are ours to tell."""
    from transformers.utils import logging

    verbosity, shown = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if shown:
            logging.enable_progress_bar()
