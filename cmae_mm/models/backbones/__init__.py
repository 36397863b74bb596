"""Encoders that methods pre-train."""

from .cmae_vit import CMAEViT
from .hybrid import ConvStem, HybridViT
from .plain import plain_encoder

__all__ = ['CMAEViT', 'ConvStem', 'HybridViT', 'plain_encoder']
