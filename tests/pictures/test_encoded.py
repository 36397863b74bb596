import numpy as np
import torch
from mmengine.config import Config
from PIL import Image

from cmae_mm.evaluation import ClassFolder, build_encoder
from cmae_mm.pictures import encode_images
from tests.helpers.tiny import tiny_config


def test_rows_belong_to_the_images_that_can_be_read(tmp_path):
    rng = np.random.default_rng(0)
    for name in ('a', 'b'):
        (tmp_path / name).mkdir()
        for index in range(5):
            pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f'{index}.png')
    (tmp_path / 'a' / '2.png').write_bytes(b'no image')
    folder = ClassFolder(tmp_path, (16, 16), 3)
    encoder = build_encoder(Config(dict(model=tiny_config())))
    encoded = encode_images(encoder, folder, batch_size=4)
    assert encoded.indices == [0, 1, 3, 4, 5, 6, 7, 8, 9]
    assert encoded.labels.tolist() == [0] * 4 + [1] * 5
    assert encoded.classes == ('a', 'b')
    for row in (0, 2, 8):
        own = encoder(encoded.image(row)[None])[0]
        torch.testing.assert_close(encoded.features[row], own)
    assert encode_images(encoder, folder, most=5).indices == [0, 4, 6, 8]
