import numpy as np
import torch
from mmengine.config import Config
from PIL import Image

from cmae_mm.evaluation import ClassFolder, build_encoder, build_pretrained, reconstruct
from cmae_mm.pictures import attention_maps, draw_overview, encode_images
from cmae_mm.pictures.attention import overlay
from tests.helpers.tiny import initial_state, tiny_config


def test_a_row_holds_what_the_parts_give(tmp_path):
    rng = np.random.default_rng(0)
    for name in ('a', 'b'):
        (tmp_path / 'images' / name).mkdir(parents=True)
        for index in range(3):
            pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / 'images' / name / f'{index}.png')
    cfg = Config(dict(model=tiny_config()))
    torch.save({'state_dict': initial_state(cfg)}, tmp_path / 'a.pth')
    model, encoder = (build(cfg, tmp_path / 'a.pth') for build in (build_pretrained, build_encoder))
    encoded = encode_images(encoder, ClassFolder(tmp_path / 'images', (16, 16), 3))
    torch.manual_seed(0)
    figure = draw_overview(model, encoder, encoded, encoded, k=2)
    drawn = [axis.images[0].get_array() for axis in figure.axes]
    assert len(drawn) == 2 * 6
    images = encoded.images([0, 3])
    torch.manual_seed(0)
    masked, filled = reconstruct(model, images)
    attention = attention_maps(encoder.backbone, encoder.normalise(images), [])[0].mean(dim=1)
    for order in range(2):
        image, seen, whole, attended, nearest, _ = drawn[6 * order : 6 * order + 6]
        for shown, part in ((image, images), (seen, masked), (whole, filled), (nearest, images)):
            assert np.array_equal(shown, part[order].permute(1, 2, 0))
        assert np.array_equal(attended, overlay(images[order], attention[order]))
