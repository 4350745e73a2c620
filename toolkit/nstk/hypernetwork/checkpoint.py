"""Folders of trained hypernetworks: `config.json`, `model.safetensors` and `tokenizer.json`. Nothing is unpickled."""

import contextlib
import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from transformers import AutoTokenizer, BertModel, PreTrainedTokenizerFast
from transformers.utils import logging

from nstk.errors import UsageError
from nstk.hypernetwork.configuration import CompNetConfig
from nstk.hypernetwork.modeling import CompNet
from nstk.hypernetwork.tokenization import ProgramTokenizer

_HINT = "name a folder that nstk train wrote: it holds config.json, model.safetensors and tokenizer.json"


def save_checkpoint(
    model: CompNet, tokenizer: ProgramTokenizer, folder: Path, dtype: torch.dtype = torch.float32
) -> None:
    """Write a hypernetwork into a folder.

    Args:
        model: The network.
        tokenizer: Its tokenizer.
        folder: Existing or not.
        dtype: Of the stored weights; half precision halves the file, and is read back as float32.
    """
    with _quiet():
        stored: CompNet = copy.deepcopy(model)
        nn.Module.to(stored, dtype).save_pretrained(folder)
        tokenizer.tokenizer.save_pretrained(folder)


def load_checkpoint(folder: Path) -> tuple[CompNet, ProgramTokenizer]:
    """Load a hypernetwork, in float32 and ready to compile.

    Raises:
        UsageError: A file is missing or damaged, or it is another kind of model.
    """
    try:
        record = json.loads((folder / "config.json").read_text())
        if not isinstance(record, dict) or record.get("model_type") != CompNetConfig.model_type:
            raise ValueError("it is another kind of model")
        if not (folder / "model.safetensors").is_file():
            raise ValueError("model.safetensors is missing")
        with _quiet():
            loaded: Any = CompNet.from_pretrained(
                folder, use_safetensors=True, local_files_only=True, dtype=torch.float32, output_loading_info=True
            )
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model: CompNet = loaded[0]
        info: dict[str, list[object]] = loaded[1]
        for problem in ("missing_keys", "unexpected_keys", "mismatched_keys"):
            if info[problem]:
                raise ValueError(f"{problem.replace('_', ' ')}: {sorted(map(str, info[problem]))[0]}")
        if not isinstance(tokenizer, PreTrainedTokenizerFast) or len(tokenizer) != model.config.vocab_size:
            raise ValueError("tokenizer.json does not fit the model")
        if not all(bool(p.isfinite().all()) for p in model.parameters()):
            raise ValueError("a weight is not finite")
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, AttributeError, SafetensorError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UsageError(f"{folder}: cannot load a hypernetwork ({reason})", _HINT) from error
    model.eval()  # type: ignore[no-untyped-call]
    return model, ProgramTokenizer(tokenizer, model.config.normalized_text)


def load_encoder(model: CompNet, folder: Path) -> list[str]:
    """Take the text encoder's weights from a BERT checkpoint, as far as shapes agree.

    Args:
        model: Gets them.
        folder: In the layout of `prajjwal1/bert-tiny`, with its weights as safetensors.

    Returns:
        Names of the tensors that were left as they are.

    Raises:
        UsageError: The folder holds no such checkpoint.
    """
    try:
        with _quiet():
            loaded: Any = BertModel.from_pretrained(
                folder, add_pooling_layer=False, use_safetensors=True, local_files_only=True
            )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UsageError(f"{folder}: cannot load an encoder ({reason})", "it needs BERT's safetensors") from error
    theirs, ours = loaded.state_dict(), model.encoder.state_dict()
    fitting = {name: t for name, t in theirs.items() if name in ours and ours[name].shape == t.shape}
    model.encoder.load_state_dict(fitting, strict=False)
    return [name for name in ours if name not in fitting]


def load_weights(model: CompNet, folder: Path) -> list[str]:
    """Take weights from another hypernetwork, as far as names and shapes agree.

    Args:
        model: Gets them.
        folder: As `save_checkpoint` writes it.

    Returns:
        Names of the tensors that were left as they are.

    Raises:
        UsageError: The folder holds no checkpoint, or none of its tensors fits.
    """
    try:
        theirs = load_file(folder / "model.safetensors")
    except (OSError, SafetensorError) as error:
        raise UsageError(f"{folder}: cannot load a hypernetwork ({error})", _HINT) from error
    ours = model.state_dict()
    fitting = {name: t for name, t in theirs.items() if name in ours and ours[name].shape == t.shape}
    if not fitting:
        raise UsageError(f"{folder}: none of its weights fits this model", _HINT)
    model.load_state_dict(fitting, strict=False)
    return [name for name in ours if name not in fitting]


def load_word_pieces(folder: Path) -> PreTrainedTokenizerFast:
    """Load the tokenizer of a pretrained text encoder.

    Raises:
        UsageError: The folder holds none.
    """
    try:
        with _quiet():
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        if not isinstance(tokenizer, PreTrainedTokenizerFast):
            raise ValueError("it is another kind")
    except (OSError, ValueError, TypeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UsageError(
            f"{folder}: cannot load a tokenizer ({reason})", "it needs vocab.txt or tokenizer.json"
        ) from None
    return tokenizer


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' progress bars and warnings off the terminal: errors are ours to tell."""
    verbosity, shown = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if shown:
            logging.enable_progress_bar()
