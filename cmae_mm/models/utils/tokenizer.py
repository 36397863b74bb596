"""A frozen tokenizer of images, whose tokens are targets."""

import torch
from mmpretrain.models.selfsup.cae import DALLEEncoder
from mmpretrain.registry import MODELS
from torch import Tensor

from cmae_mm.checkpoints import load_state_dict

_HELP = (
    "give mmpretrain's dalle_encoder.pth as model.target_generator.checkpoint (docs/cae.md), or "
    'use pixels, configs/cae/cae-pixels_*.py'
)


@MODELS.register_module()
class DALLETokenizer(DALLEEncoder):
    """The encoder of DALL-E's discrete VAE, frozen; 8 pixels per token in each direction.

    Its weights are read from their own file at each start, without executing anything in it, and
    are not saved in the checkpoints of a run.

    Args:
        checkpoint: path of the weights in mmpretrain's names.
        vocab_size: number of tokens.
        **kwargs: of the host's DALLEEncoder, such as ``n_hid``.
    """

    def __init__(self, checkpoint: str | None = None, vocab_size: int = 8192, **kwargs) -> None:
        super().__init__(vocab_size=vocab_size, **kwargs)
        self.requires_grad_(False)  # the host's field of this name has no effect
        self.checkpoint = checkpoint
        self.vocab_size = vocab_size
        self._register_state_dict_hook(_leave_out)
        self._register_load_state_dict_pre_hook(self._keep_own)

    def init_weights(self) -> None:
        """Read the weights.

        Raises:
            FileNotFoundError: no such file.
            ValueError: no file given, not a checkpoint, or one of another size or program.
        """
        if not self.checkpoint:
            raise ValueError(f'an untrained tokenizer gives random tokens: {_HELP}')
        try:
            found = load_state_dict(self.checkpoint)
        except FileNotFoundError:
            raise FileNotFoundError(f'no tokenizer {self.checkpoint!r}: {_HELP}') from None
        expected = dict(self.named_parameters())
        for name, tensor in expected.items():
            if name not in found:
                raise ValueError(
                    f'{self.checkpoint!r} is not a tokenizer: it has no {name}, found '
                    f'{next(iter(found))} and {len(found) - 1} others; {_HELP}'
                )
            if found[name].shape != tensor.shape:
                raise ValueError(
                    f'{self.checkpoint!r} is a tokenizer of another size: {name} has shape '
                    f'{tuple(found[name].shape)}, vocab_size={self.vocab_size} and n_hid of '
                    f'target_generator make it {tuple(tensor.shape)}'
                )
            tensor.data.copy_(found[name])

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Tokenise images, (N, 3, 8 rows, 8 columns) in [0.1, 0.9], to int64 (N, rows, columns)."""
        with torch.autocast(images.device.type, enabled=False):
            return super().forward(images).argmax(dim=1)

    def _keep_own(self, tensors: dict[str, Tensor], prefix: str, *_) -> None:
        """Let a checkpoint, which lacks these weights, load into the whole model."""
        tensors.update({prefix + name: tensor for name, tensor in self.named_parameters()})


def _leave_out(module, tensors: dict[str, Tensor], prefix: str, *_) -> None:
    """Drop the weights from a state dict."""
    for name, _ in module.named_parameters():
        tensors.pop(prefix + name, None)
