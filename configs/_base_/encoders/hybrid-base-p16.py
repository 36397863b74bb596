# ConvMAE's encoder (arXiv 2205.03892), Hybrid-B, with its masks.
hybrid_base = dict(
    type='HybridViT',
    arch='b',
    img_size=224,
    strides=(4, 2, 2),
    fusion=True,  # of the stages: for reconstruction
    mask_ratio=0.75,
    mask_block=1,
)
