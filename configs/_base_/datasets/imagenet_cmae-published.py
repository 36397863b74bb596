# The released code's data: the paper's except for shifts of 0 to 31 pixels in a master image of
# 256x256, and for the grey weights, which it lists in BGR order and applies to RGB.
_base_ = './imagenet_cmae.py'

load, crop, flip, shift, color, pack = _base_.train_pipeline
train_pipeline = [
    load,
    dict(crop, scale=256),
    flip,
    dict(shift, max_shift=31),
    dict(color, gray_weights=(0.114, 0.587, 0.2989)),
    pack,
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
