"""Stop the run with one line, naming the file, if an annotation does not fit the model."""

import os
from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmpretrain.registry import TRANSFORMS
from PIL import Image

IGNORED = 255  # by mmsegmentation's losses and metrics


@TRANSFORMS.register_module()
class CheckLabelMap(BaseTransform):
    """Reject label maps that do not fit their image, or contain a class the model lacks.

    Goes after mmsegmentation's ``LoadAnnotations``. Without it an extra class is an index out
    of range somewhere in the loss: on a GPU, an assertion that names no file. mmsegmentation takes
    numbers of 16 bits modulo 256.

    Args:
        num_classes: classes 0 .. num_classes - 1 are valid, and 255, which is ignored.
        void: further labels to ignore; they become 255.

    Raises:
        ValueError: a map contains any other label, has several channels, numbers of more than 8
            bits, or another size than its image.
    """

    def __init__(self, num_classes: int, void: Sequence[int] = ()) -> None:
        self.num_classes = num_classes
        self.void = tuple(void)

    def transform(self, results: dict) -> dict:
        labels, path = results['gt_seg_map'], results['seg_map_path']
        _require_one_byte(path)
        if labels.ndim != 2:
            raise ValueError(
                f'{path} has {labels.shape[-1]} channels: expected one, of class numbers'
            )
        sizes = [tuple(results[key][:2]) for key in ('ori_shape', 'img_shape') if key in results]
        if sizes and labels.shape not in sizes:
            found, expected = ('x'.join(map(str, size)) for size in (labels.shape, sizes[0]))
            raise ValueError(f'{path} has {found} pixels, its image {expected}')
        if self.void:
            labels[np.isin(labels, self.void)] = IGNORED
        wrong = np.unique(labels[(labels >= self.num_classes) & (labels != IGNORED)])
        if len(wrong):
            raise ValueError(
                f'{path} has class {wrong[0]}, the model {self.num_classes} '
                f'classes (0 to {self.num_classes - 1}, {IGNORED} is ignored): set num_classes, '
                'or void=(...) of CheckLabelMap for labels to ignore'
            )
        return results


def _require_one_byte(path: str) -> None:
    """Look at the header of a local file; what others hold can't be told at little cost."""
    if not os.path.isfile(path):
        return
    with Image.open(path) as image:
        if image.mode.startswith(('I', 'F')):
            raise ValueError(
                f'{path} has numbers of more than 8 bits, which mmsegmentation takes modulo 256: '
                f'write classes as bytes, 0 to 254, and {IGNORED} for what is ignored'
            )


@TRANSFORMS.register_module()
class CheckMasks(BaseTransform):
    """Reject images with an object that has no mask.

    Goes before mmdetection's ``LoadAnnotations(with_mask=True)``.

    Raises:
        ValueError: an object without a mask.
    """

    def transform(self, results: dict) -> dict:
        bare = [instance for instance in results['instances'] if not instance.get('mask')]
        if bare:
            raise ValueError(
                f'{len(bare)} of {len(results["instances"])} objects in {results["img_path"]} have '
                "no 'segmentation' in the annotation file: Mask R-CNN needs masks; give a file "
                'that has them, or train a detector without a mask head'
            )
        return results
