"""Evaluation of any encoder: frozen features, probes, reconstructions."""

from .encoder import FrozenEncoder, build_encoder, input_shape
from .evaluate import evaluate_features
from .features import extract_features
from .images import ClassFolder, load_image
from .probes import knn_predict, linear_predict
from .reconstruction import (
    build_pretrained,
    image_grid,
    reconstruct,
    save_reconstructions,
)

__all__ = [
    'ClassFolder',
    'FrozenEncoder',
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
