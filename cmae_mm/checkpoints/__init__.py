"""Checkpoints: reading safely, names, formats, loading, converting, writing."""

from .conversion import convert_file
from .encoder import LoadReport, load_encoder
from .formats import Encoder, export_encoder, import_encoder
from .model import load_weights, require_fit, unwrap
from .names import FORMATS
from .reading import load_checkpoint, load_state_dict
from .released import convert_released
from .run_state import RunSummary, load_run, summarise_run
from .writing import remove_temporaries, replacing, save_tensors, write_torch

__all__ = [
    'FORMATS',
    'Encoder',
    'LoadReport',
    'RunSummary',
    'convert_file',
    'convert_released',
    'export_encoder',
    'import_encoder',
    'load_checkpoint',
    'load_encoder',
    'load_run',
    'load_state_dict',
    'load_weights',
    'remove_temporaries',
    'replacing',
    'require_fit',
    'save_tensors',
    'summarise_run',
    'unwrap',
    'write_torch',
]
