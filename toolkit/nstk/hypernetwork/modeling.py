"""CompNet for transformers: `from_pretrained`, `AutoModel`, and whatever else reads its checkpoints."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.utils.generic import ModelOutput

from nstk.hypernetwork.configuration import MODEL_TYPE, NetworkConfig
from nstk.hypernetwork.network import HyperNetwork


class CompNetConfig(PreTrainedConfig, NetworkConfig):
    """Shape of a CompNet, see `NetworkConfig`."""

    model_type = MODEL_TYPE


@dataclass
class CompNetOutput(ModelOutput):
    """What CompNet says about a batch of programs, see `network.Written`."""

    parameters: tuple[Tensor, ...] | None = None
    probes: Tensor | None = None
    location: Tensor | None = None
    parts: tuple[Tensor, Tensor] | None = None


class CompNet(PreTrainedModel):
    """The hypernetwork as a model of transformers; the work is done by `network`, see `HyperNetwork.forward`."""

    config_class = CompNetConfig
    config: CompNetConfig
    base_model_prefix = "network"

    def __init__(self, config: CompNetConfig) -> None:
        super().__init__(config)
        self.network = HyperNetwork(config)
        self.post_init()  # type: ignore[no-untyped-call]

    def _init_weights(self, module: nn.Module) -> None:
        """Leave weights as they are: the network has drawn its own."""

    def forward(self, *args: Any, **kwargs: Any) -> CompNetOutput:
        """Compile a batch of programs."""
        return CompNetOutput(**self.network(*args, **kwargs)._asdict())


AutoConfig.register(CompNetConfig.model_type, CompNetConfig)
AutoModel.register(CompNetConfig, CompNet)
