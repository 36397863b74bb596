"""Evaluation of any encoder: frozen features, probes, reconstructions."""

from .attentive_probe import attentive_predict
from .encoder import (
    FrozenEncoder,
    build_encoder,
    input_shape,
    require_finite,
    share_encoder,
)
from .evaluate import evaluate_features
from .features import extract_features
from .images import ClassFolder, LabelledImages, labelled_images
from .linear_probe import LinearProbe, fit_linear_probe, linear_predict
from .loading import image_loading, load_image
from .metrics import classification_metrics
from .moments import effective_rank, moments
from .neighbours import knn_predict, nearest
from .probe_hook import FeatureProbeHook
from .reconstruction import (
    build_pretrained,
    can_reconstruct,
    draw_reconstructions,
    image_grid,
    reconstruct,
    save_reconstructions,
)
from .retrieval import retrieval
from .tokens import TokenStore

__all__ = [
    'ClassFolder',
    'FeatureProbeHook',
    'FrozenEncoder',
    'LabelledImages',
    'LinearProbe',
    'TokenStore',
    'attentive_predict',
    'build_encoder',
    'build_pretrained',
    'can_reconstruct',
    'classification_metrics',
    'draw_reconstructions',
    'effective_rank',
    'evaluate_features',
    'extract_features',
    'fit_linear_probe',
    'image_grid',
    'image_loading',
    'input_shape',
    'knn_predict',
    'labelled_images',
    'linear_predict',
    'load_image',
    'moments',
    'nearest',
    'reconstruct',
    'require_finite',
    'retrieval',
    'save_reconstructions',
    'share_encoder',
]
