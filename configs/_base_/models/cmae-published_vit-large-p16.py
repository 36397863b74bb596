# The released code exists for ViT-B only, where the feature decoder's width,
# 768, equals the encoder's. Here they differ: the first layer of the target
# projector has nothing to follow and keeps its initial value.
_base_ = './cmae-published_vit-base-p16.py'

model = dict(backbone=dict(arch='l'))
