# ViT-S/16 on a folder of grey images, one channel; one GPU. Colour images are read as grey.
# Command: tools/train.py configs/cmae/cmae_vit-small-p16_gray_folder.py \
#     --cfg-options train_dataloader.dataset.data_root=/path/to/images
# Hardware: 1 GPU.
# Measured: not measured.
_base_ = './cmae_vit-small-p16_folder.py'

# your own: tools/image_statistics.py IMAGES --color-type grayscale
load_image = dict(type='LoadImage', color_type='grayscale')
data_preprocessor = dict(mean=[117.0], std=[57.4])  # of ImageNet's, in grey
model = dict(backbone=dict(in_channels=1))

train_pipeline = [load_image, *_base_.train_pipeline[1:]]
# brightness, contrast and blur remain
train_pipeline[4].update(saturation=0.0, hue=0.0, gray_prob=0.0)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
