"""Encoders without masks, for what comes after pre-training."""

from cmae_mm.models import plain_encoder

ARCH = dict(embed_dims=24, num_layers=2, num_heads=2, feedforward_channels=48)


def test_encoders_of_the_host_that_take_a_mask_become_plain_ones():
    mae = dict(type='MAEViT', arch=ARCH, img_size=16, patch_size=4, mask_ratio=0.75)
    plain = dict(type='VisionTransformer', arch=ARCH, img_size=16, patch_size=4)
    assert plain_encoder(mae) == plain
    assert plain_encoder(mae, out_type='raw') == {**plain, 'out_type': 'raw'}


def test_other_encoders_stay_as_they_are():
    for config in (dict(type='VisionTransformer', arch=ARCH), dict(type='ResNet', depth=50)):
        assert plain_encoder(config) == config
