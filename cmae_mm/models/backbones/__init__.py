"""Encoders that methods pre-train."""

from .cmae_vit import CMAEViT
from .plain import plain_encoder

__all__ = ['CMAEViT', 'plain_encoder']
