"""What ties this package to the released CMAE code.

github.com/ZhichengHuang/CMAE at e786a52. Its module names are this package's:
``backbone``, ``target_backbone``, ``pixel_decoder``, ``feature_decoder``,
``projector``, ``target_projector`` and ``head.predictor``, down to the tensors.
"""

from .config import model_config

__all__ = ['model_config']
