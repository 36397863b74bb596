"""The hybrid encoder's patch embedding: masked convolutions (ConvMAE, arXiv 2205.03892)."""

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

import torch
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn
from torch.nn import functional as F

from ..utils.encoder_layer import EncoderLayer, select, use_feed_forward

Grid = tuple[int, int]


class Places:
    """Where the features of a stage are: at all places of its map, or at those of some tokens.

    A token covers ``side`` x ``side`` places. Features have shape (N, P, C): row by row over the
    whole map, or token by token and row by row within each.

    Args:
        grid: tokens of an image, (rows, columns).
        side: of a token, in places.
        tokens: int64, shape (N, K); the tokens whose places are computed, None for all.
    """

    def __init__(self, grid: Grid, side: int, tokens: Tensor | None = None) -> None:
        self.side = side
        self.size = (grid[0] * side, grid[1] * side)
        self.index = None if tokens is None else _places_of(tokens, grid[1], side)

    def spread(self, x: Tensor) -> Tensor:
        """Put features, (N, P, C), on the map, (N, C, H, W); other places are 0."""
        if self.index is not None:
            zeros = x.new_zeros(len(x), prod(self.size), x.shape[2])
            x = zeros.scatter(1, self.index.unsqueeze(2).expand_as(x), x)
        return x.transpose(1, 2).unflatten(2, self.size)

    def collect(self, image: Tensor) -> Tensor:
        """Take features, (N, P, C), from the map, (N, C, H, W)."""
        x = image.flatten(2).transpose(1, 2)
        return x if self.index is None else select(x, self.index)

    def reduce(self, conv: nn.Conv2d, x: Tensor) -> Tensor:
        """Apply a convolution whose kernel is its stride: (N, P, C) to (N, P / stride², D).

        No kernel reaches across the border of a token, so that each is a small image of its own.
        """
        k = conv.stride[0]
        rows, columns = self.size if self.index is None else (self.side, self.side)
        x = x.reshape(len(x), -1, rows // k, k, columns // k, k, x.shape[2])
        x = x.transpose(3, 4).flatten(4).flatten(1, 3)  # (N, P / stride², stride² * C)
        # as a product: half the time of the convolution on a CPU
        return F.linear(x, _weight(conv).permute(0, 2, 3, 1).flatten(1), conv.bias)


def _places_of(tokens: Tensor, columns: int, side: int) -> Tensor:
    """Index in a map of ``columns * side`` places a row, shape (N, K * side²)."""
    inside = torch.arange(side, device=tokens.device)
    rows = (tokens // columns * side)[..., None, None] + inside[:, None]
    places = (tokens % columns * side)[..., None, None] + inside
    return (rows * (columns * side) + places).flatten(1)


def _weight(conv: nn.Conv2d) -> Tensor:
    """A convolution's weight, whose gradient has its strides, as several ranks want it."""
    return conv.weight.flatten(1).view_as(conv.weight)


class Stage(NamedTuple):
    """Output of a stage: features, (N, P, C), and where they are."""

    features: Tensor
    places: Places

    @property
    def map(self) -> Tensor:
        """Shape (N, C, H, W)."""
        return self.places.spread(self.features)


class ConvEmbed(BaseModule):
    """A convolution whose kernel is its stride, layer norm and GELU."""

    def __init__(self, in_channels: int, embed_dims: int, stride: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_channels, embed_dims, stride, stride)
        self.norm = nn.LayerNorm(embed_dims)

    def forward(self, x: Tensor, places: Places) -> Tensor:
        """Map (N, P, C) to (N, P / stride², D)."""
        return F.gelu(self.norm(places.reduce(self.proj, x)))


class MaskedConv(nn.Module):
    """What stands for attention in a block of the stages: a 5x5 convolution by channels.

    It sees 0 at places that are not computed. The two products before and after it work place by
    place, hence the linear layers.
    """

    def __init__(self, embed_dims: int, out_drop: nn.Module) -> None:
        super().__init__()
        self.conv1 = nn.Linear(embed_dims, embed_dims)
        self.depthwise = nn.Conv2d(embed_dims, embed_dims, 5, padding=2, groups=embed_dims)
        self.conv2 = nn.Linear(embed_dims, embed_dims)
        self.out_drop = out_drop

    def forward(self, x: Tensor, places: Places) -> Tensor:
        """Map (N, P, C) to (N, P, C)."""
        x = places.collect(self.convolve(places.spread(self.conv1(x))))
        return self.out_drop(self.conv2(x))

    def convolve(self, x: Tensor) -> Tensor:
        conv = self.depthwise
        return F.conv2d(x, _weight(conv), conv.bias, padding=conv.padding, groups=conv.groups)


class ConvBlock(EncoderLayer):
    """The host's Transformer layer with a convolution for its attention.

    Args:
        embed_dims: width.
        feedforward_channels: of the MLP.
        drop_path_rate: of both branches.
    """

    def __init__(self, embed_dims: int, feedforward_channels: int, drop_path_rate: float) -> None:
        super().__init__(embed_dims, 1, feedforward_channels, drop_path_rate=drop_path_rate)
        self.attn = MaskedConv(embed_dims, self.attn.out_drop)
        use_feed_forward(self)

    def init_weights(self) -> None:
        # as convolutions of 1x1 start, not as the linear layers of a Transformer
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Conv2d)):
                module.reset_parameters()

    def forward(self, x: Tensor, places: Places) -> Tensor:
        """Map (N, P, C) to (N, P, C)."""
        x = x + self.attn(self.ln1(x), places)
        return self.ffn(self.ln2(x), identity=x)


class ConvPatchEmbed(BaseModule):
    """Stages of masked convolutions, then one token for each patch.

    Only visible tokens are computed. What a convolution sees of the others is 0, so that nothing
    of their pixels reaches a visible token.

    Args:
        img_size: (height, width), in pixels.
        in_channels: channels of the image.
        embed_dims: width of the stages and, last, of a token.
        depths: blocks of each stage.
        strides: of the embedding in front of each stage and, last, of the tokens; their product
            is the patch size.
        mlp_ratio: width of the blocks' MLPs by that of the stage.
        drop_path_rates: of the blocks, in order.
    """

    def __init__(
        self,
        img_size: Grid,
        in_channels: int,
        embed_dims: Sequence[int],
        depths: Sequence[int],
        strides: Sequence[int],
        mlp_ratio: float,
        drop_path_rates: Sequence[float],
    ) -> None:
        super().__init__()
        self.patch_size = prod(strides)
        self.init_out_size = (img_size[0] // self.patch_size, img_size[1] // self.patch_size)
        self.embeds = ModuleList(
            ConvEmbed(inputs, width, stride)
            for inputs, width, stride in zip((in_channels, *embed_dims), embed_dims, strides)
        )
        rates = iter(drop_path_rates)
        self.blocks = ModuleList(
            ModuleList(ConvBlock(width, int(mlp_ratio * width), next(rates)) for _ in range(depth))
            for width, depth in zip(embed_dims, depths)
        )
        self.linear = nn.Linear(embed_dims[-1], embed_dims[-1])

    def init_weights(self) -> None:
        super().init_weights()
        *stages, tokens = self.embeds
        for embed in stages:
            embed.proj.reset_parameters()
        nn.init.xavier_uniform_(tokens.proj.weight.flatten(1))

    def forward(self, images: Tensor) -> tuple[Tensor, Grid]:
        """Embed whole images of any size, filled up with zeros at the right and bottom.

        Args:
            images: shape (N, C, H, W), normalised.

        Returns:
            tokens, shape (N, L, D), and their grid, (rows, columns).
        """
        tokens, grid, _ = self.stages(images)
        return tokens, grid

    def stages(
        self, images: Tensor, visible: Tensor | None = None
    ) -> tuple[Tensor, Grid, list[Stage]]:
        """Embed images, and give what the stages put out.

        Args:
            images: shape (N, C, H, W).
            visible: int64, shape (N, K); the tokens to compute, None for all.

        Returns:
            tokens, shape (N, K, D), in the order of ``visible``; the grid of all tokens, (rows,
            columns); and the outputs of the stages.
        """
        height, width = images.shape[2:]
        side = self.patch_size
        images = F.pad(images, (0, -width % side, 0, -height % side))
        grid = (images.shape[2] // side, images.shape[3] // side)
        places = Places(grid, side, visible)
        x, outputs = places.collect(images), []
        for embed, blocks in zip(self.embeds, self.blocks):
            x = embed(x, places)
            side //= embed.proj.stride[0]
            places = Places(grid, side, visible)
            for block in blocks:
                x = block(x, places)
            outputs.append(Stage(x, places))
        return self.linear(self.embeds[-1](x, places)), grid, outputs
