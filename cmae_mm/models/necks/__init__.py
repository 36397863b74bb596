"""Decoders between encoder and head."""

from .cmae_decoders import CMAEFeatureDecoder, CMAEPixelDecoder

__all__ = ['CMAEFeatureDecoder', 'CMAEPixelDecoder']
