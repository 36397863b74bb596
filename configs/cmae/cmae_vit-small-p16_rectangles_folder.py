# ViT-S/16 on rectangular views of 192x320 pixels, from a folder of wide images; one GPU.
# Command: tools/train.py configs/cmae/cmae_vit-small-p16_rectangles_folder.py \
#     --cfg-options train_dataloader.dataset.data_root=/path/to/images
# Hardware: 1 GPU.
# Measured: not measured.
_base_ = './cmae_vit-small-p16_folder.py'

size = (192, 320)  # height and width, multiples of the patches' 16 pixels
max_shift = 30
model = dict(backbone=dict(img_size=size))

train_pipeline = _base_.train_pipeline
train_pipeline[1].update(
    scale=(size[0] + max_shift + 1, size[1] + max_shift + 1),
    # width over height, around that of the views, so that nothing is stretched much
    aspect_ratio_range=(3 / 4 * size[1] / size[0], 4 / 3 * size[1] / size[0]),
)
train_pipeline[3].update(crop_size=size, max_shift=max_shift)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
