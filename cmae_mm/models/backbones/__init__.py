"""Encoders that methods pre-train."""

from .cmae_vit import CMAEViT
from .hybrid import ConvStem, HybridViT

__all__ = ['CMAEViT', 'ConvStem', 'HybridViT']
