"""Pictures of what an encoder has learned, and of how it trained."""

from .attention import attention_maps, attention_probabilities, draw_attention
from .curves import draw_curves, read_curves
from .embedding import draw_embedding, embed
from .encoded import EncodedImages, encode_images
from .hook import PictureHook
from .neighbours import draw_neighbours, first_of_each_class
from .overview import draw_overview
from .style import save

__all__ = [
    'EncodedImages',
    'PictureHook',
    'attention_maps',
    'attention_probabilities',
    'draw_attention',
    'draw_curves',
    'draw_embedding',
    'draw_neighbours',
    'draw_overview',
    'embed',
    'encode_images',
    'first_of_each_class',
    'read_curves',
    'save',
]
