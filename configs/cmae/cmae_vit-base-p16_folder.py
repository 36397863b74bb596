# ViT-B/16 on any folder of images, with or without sub-folders; one GPU.
# Command: tools/train.py configs/cmae/cmae_vit-base-p16_folder.py \
#     --cfg-options train_dataloader.dataset.data_root=/path/to/images
# The learning rate scales with the batch. If the images are in class folders, a probe of the
# features every 10 epochs is one more option (docs/probe.md):
#     default_hooks.probe.type=FeatureProbeHook
# Hardware: 1 GPU.
# Measured: not measured.
_base_ = './cmae_vit-base-p16_32xb128-amp-coslr-300e_in1k.py'

train_dataloader = dict(dataset=dict(data_root='data/images/', data_prefix=''))
auto_scale_lr = dict(enable=True)
