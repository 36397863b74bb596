"""One training step of the released CMAE code, repeated with this package.

github.com/ZhichengHuang/CMAE at e786a52. Its module names are this package's:
``backbone``, ``target_backbone``, ``pixel_decoder``, ``feature_decoder``,
``projector``, ``target_projector`` and ``head.predictor``, down to the tensors.
"""

from .config import model_config
from .step import Row, check_parity

__all__ = ['Row', 'check_parity', 'model_config']
