import numpy as np
import pytest
import torch
from mmengine.dataset import default_collate
from PIL import Image

from cmae_mm.datasets import BlockMask, PackViews, PixelShift
from cmae_mm.models import CAEDataPreprocessor
from cmae_mm.models.utils import removed_patches

MEAN, STD = [10.0, 20.0, 30.0], [2.0, 4.0, 5.0]


def packed(where, num=2):
    """A batch as the loader joins it, of images within [96, 160), where no filter overshoots."""
    generator = np.random.default_rng(0)
    np.random.seed(0)
    samples = []
    for _ in range(num):
        image = generator.integers(96, 160, (16, 32, 3), dtype=np.uint8)
        results = {'img': image, 'img_shape': (16, 32)}
        for step in (
            PixelShift((16, 32), max_shift=0),
            BlockMask((4, 8), num_masking_patches=12, min_num_patches=2),
            PackViews(views=('online',), where=where),
        ):
            results = step.transform(results)
        samples.append(results)
    return default_collate(samples)


@pytest.mark.parametrize('where', ['worker', 'device'])
def test_masks_come_with_the_images(where):
    data = packed(where)
    images, patch_mask = CAEDataPreprocessor(MEAN, STD)(data)['inputs']
    assert images.shape == (2, 3, 16, 32) and removed_patches(patch_mask).shape == (2, 12)
    assert patch_mask.mask.bool().equal(data['inputs']['mask'].flatten(1))
    assert not patch_mask.mask[0].equal(patch_mask.mask[1])


def test_the_tokenizer_s_view_is_the_image_resized_as_pillow_does():
    data = packed('worker')
    preprocessor = CAEDataPreprocessor(MEAN, STD, target_size=(8, 16))
    view = preprocessor(data)['inputs'][2] * 318.75 - 31.875
    for image, found in zip(data['inputs']['online'], view):
        pillow = Image.fromarray(image.permute(1, 2, 0).numpy()).resize((16, 8), Image.LANCZOS)
        difference = found.permute(1, 2, 0).numpy() - np.asarray(pillow)
        assert np.abs(difference).max() <= 1.1  # Pillow rounds twice


def test_the_tokenizer_s_view_stays_within_its_range():
    images = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
    images[..., 8:] = 255  # an edge, where the filter overshoots
    inputs = {'online': images, 'mask': torch.eye(4).bool()[None]}
    view = CAEDataPreprocessor(MEAN, STD, target_size=8)({'inputs': inputs})['inputs'][2]
    torch.testing.assert_close(view.aminmax().min, torch.tensor(0.1))
    torch.testing.assert_close(view.aminmax().max, torch.tensor(0.9))


def test_whole_images_are_normalised_alone():
    images = torch.full((1, 3, 4, 4), 30, dtype=torch.uint8)
    inputs = CAEDataPreprocessor(MEAN, STD)({'inputs': images})['inputs']
    assert inputs[0, :, 0, 0].tolist() == pytest.approx([10.0, 2.5, 0.0], abs=1e-6)


def test_images_without_masks_are_refused():
    data = packed('worker')
    del data['inputs']['mask']
    with pytest.raises(ValueError, match='add BlockMask to the data pipeline'):
        CAEDataPreprocessor(MEAN, STD)(data)
