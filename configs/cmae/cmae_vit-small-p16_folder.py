# ViT-S/16 (arch 'deit-s') on any folder of images, with or without sub-folders; one GPU.
# Command: tools/train.py configs/cmae/cmae_vit-small-p16_folder.py \
#     --cfg-options train_dataloader.dataset.data_root=/path/to/images
# The learning rate scales with the batch.
# Hardware: 1 GPU.
# Measured: not measured.
_base_ = './cmae_vit-base-p16_folder.py'

model = dict(backbone=dict(arch='deit-s'))
