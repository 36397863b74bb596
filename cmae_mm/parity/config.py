"""Translating a model config of the released code into this package's fields."""


def model_config(published: dict) -> dict:
    """Translate a config, making explicit what the released code hard-codes.

    Args:
        published: ``model`` of a config of the released code
            (``configs/pre-training/cmae/*.py``), or ``config`` of a fixture.

    Returns:
        config of a ``CMAE``.
    """
    online, target = published['backbone']['online'], published['backbone']['target']
    neck, head = published['neck'], published['head']
    channels = neck['pixel'].get('in_chans', 3)
    patch_size = online.get('patch_size', 16)
    temperature = head['temperature']
    return dict(
        type='CMAE',
        # blocks of 2x2: CMAEViT.random_masking
        backbone={**online, 'in_channels': channels, 'mask_block': 2},
        target=dict(final_norm=target.get('final_norm', True)),
        neck=dict(
            pixel=dict(type='CMAEPixelDecoder', **_decoder(neck['pixel'])),
            feature=dict(
                type='CMAEFeatureDecoder',
                out_channels=patch_size**2 * channels,
                **_decoder(neck['feature']),
            ),
            projector=_projector(neck['projector']),
        ),
        head=dict(
            type='CMAEPretrainHead',
            predictor=_projector(head['predictor']),
            # norm_pix of the released head is never read: it always normalises
            norm_pix=True,
            loss_weight=head.get('rc_weight', 1.0),
            contrastive=dict(
                type='InfoNCELoss',
                temperature=temperature,
                loss_weight=head.get('ct_weight', 1.0) * 2 * temperature,
            ),
        ),
    )


def _decoder(cfg: dict) -> dict:
    derived = ('type', 'num_patches', 'patch_size', 'in_chans', 'embed_dim')
    return {field: value for field, value in cfg.items() if field not in derived}


def _projector(cfg: dict) -> dict:
    # in_channels follows from the modules in front of it
    cfg = {field: value for field, value in cfg.items() if field != 'in_channels'}
    return {'norm_cfg': dict(type='SyncBN', eps=1e-6), **cfg}
