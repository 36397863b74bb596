# CAE as released (arXiv 2202.03026; github.com/Atten4Vis/CAE at a7fd162), with DALL-E's tokens as
# targets. Widths that follow from the encoder are derived. docs/cae.md says what differs.
model = dict(
    type='ContextAutoencoder',
    backbone=dict(
        type='CMAEViT',
        arch='b',
        img_size=224,
        patch_size=16,
        drop_path_rate=0.1,
        layer_scale_init_value=0.1,
    ),
    neck=dict(
        type='CAERegressorDecoder',
        embed_dims=768,
        num_heads=12,
        regressor_depth=4,
        decoder_depth=4,
        drop_path_rate=0.1,
        layer_scale_init_value=0.1,
    ),
    head=dict(type='TokenHead'),
    target_generator=dict(
        type='DALLETokenizer',
        checkpoint='data/dalle_encoder.pth',
        vocab_size=8192,
    ),
    alignment_weight=2.0,
    target_copy=False,
    rescale_init=False,
    init_cfg=[
        dict(type='Xavier', layer='Linear', distribution='uniform'),
        dict(type='Constant', layer='LayerNorm', val=1.0, bias=0.0),
    ],
)
