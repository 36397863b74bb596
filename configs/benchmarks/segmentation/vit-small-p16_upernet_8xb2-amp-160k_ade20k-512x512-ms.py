# ViT-S/16 with UperNet on ADE20K tested at six scales, with and without flip; train with the config without -ms.
# Command: tools/test.py configs/benchmarks/segmentation/vit-small-p16_upernet_8xb2-amp-160k_ade20k-512x512-ms.py CHECKPOINT.pth
# Hardware: 1 GPU.
# Measured: not measured.
_base_ = './vit-small-p16_upernet_8xb2-amp-160k_ade20k-512x512.py'

model = dict(_delete_=True, type='SegTTAModel', module=_base_.model)
test_dataloader = dict(dataset=dict(pipeline=_base_.tta_pipeline))
