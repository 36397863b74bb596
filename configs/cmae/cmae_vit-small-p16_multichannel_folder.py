# ViT-S/16 on a folder of TIFF files of six channels and 16 bits; one GPU.
# Command: tools/train.py configs/cmae/cmae_vit-small-p16_multichannel_folder.py \
#     --cfg-options train_dataloader.dataset.data_root=/path/to/images
# Hardware: 1 GPU.
# Measured: not measured.
_base_ = './cmae_vit-small-p16_folder.py'

# your own: tools/image_statistics.py IMAGES --color-type unchanged
load_image = dict(type='LoadImage', color_type='unchanged', channels=6, dtype='uint16')
data_preprocessor = dict(mean=[127.5] * 6, std=[64.0] * 6)  # of levels in [0, 255]
model = dict(backbone=dict(in_channels=6))

train_pipeline = [load_image, *_base_.train_pipeline[1:]]
# brightness, contrast and blur remain
train_pipeline[4].update(saturation=0.0, hue=0.0, gray_prob=0.0)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
