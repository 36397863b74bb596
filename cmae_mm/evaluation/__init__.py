"""Evaluation of any encoder: frozen features, probes, reconstructions."""

from .encoder import FrozenEncoder, build_encoder, input_shape
from .evaluate import evaluate_features
from .features import extract_features
from .images import ClassFolder, load_image
from .probes import attentive_predict, knn_predict, linear_predict
from .reconstruction import (
    build_pretrained,
    image_grid,
    reconstruct,
    save_reconstructions,
)
from .tokens import TokenStore

__all__ = [
    'ClassFolder',
    'FrozenEncoder',
    'TokenStore',
    'attentive_predict',
    'build_encoder',
    'build_pretrained',
    'evaluate_features',
    'extract_features',
    'image_grid',
    'input_shape',
    'knn_predict',
    'linear_predict',
    'load_image',
    'reconstruct',
    'save_reconstructions',
]
