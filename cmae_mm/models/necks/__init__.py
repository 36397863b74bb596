"""Decoders between encoder and head."""

from .cae_neck import CAERegressorDecoder
from .cmae_decoders import CMAEFeatureDecoder, CMAEPixelDecoder

__all__ = ['CAERegressorDecoder', 'CMAEFeatureDecoder', 'CMAEPixelDecoder']
