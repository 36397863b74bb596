"""The encoder in the names and files of other programs, and back."""

from .files import convert_file, save_tensors
from .formats import Encoder, export_encoder, import_encoder
from .names import FORMATS

__all__ = [
    'FORMATS',
    'Encoder',
    'convert_file',
    'export_encoder',
    'import_encoder',
    'save_tensors',
]
