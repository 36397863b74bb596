# ConvMAE (arXiv 2205.03892) as in the released code (github.com/Alpha-VL/ConvMAE at 4c97b4c), number for number:
# tools/check_parity.py.
_base_ = '../encoders/hybrid-base-p16.py'

model = dict(
    type='MaskedReconstruction',
    backbone=_base_.hybrid_base,
    neck=dict(
        type='CMAEPixelDecoder', decoder_embed_dim=512, decoder_depth=8, decoder_num_heads=16
    ),
    head=dict(type='ReconstructionHead', norm_pix=True),
    init_cfg=[
        dict(type='Xavier', layer='Linear', distribution='uniform'),
        dict(type='Constant', layer='LayerNorm', val=1.0, bias=0.0),
    ],
)
