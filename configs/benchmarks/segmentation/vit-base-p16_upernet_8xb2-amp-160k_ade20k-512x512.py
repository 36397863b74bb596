# ViT-B/16 with UperNet on ADE20K, 160k iterations of 8 x 2 images.
# Command: tools/train.py configs/benchmarks/segmentation/vit-base-p16_upernet_8xb2-amp-160k_ade20k-512x512.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth
# The protocol of BEiT and MAE: AdamW, lr 1e-4, layer decay 0.65, drop path 0.1, crops and windows of 512.
# Hardware: 8 GPUs of batch 2 (docs/launching.md; fewer: --auto-scale-lr).
# Reported: 48.1, 49.7 and 50.3 % mIoU by CAE at rates of its own (arXiv 2202.03026; docs/cae.md); nothing by CMAE.
# Measured: not measured.
_base_ = [
    'mmseg::_base_/models/upernet_mae.py',
    'mmseg::_base_/datasets/ade20k.py',
    'mmseg::_base_/default_runtime.py',
    'mmseg::_base_/schedules/schedule_160k.py',
]
custom_imports = dict(imports=['cmae_mm'], allow_failed_imports=False)
runner_type = 'SafeRunner'  # docs/reliability.md

num_classes = 150
norm_cfg = dict(type='SyncBN', requires_grad=True)
model = dict(
    data_preprocessor=dict(size=(512, 512)),
    backbone=dict(
        _delete_=True,
        type='mmpretrain.DownstreamViT',
        arch='b',
        img_size=512,
        patch_size=16,
        out_type='featmap',
        out_indices=(3, 5, 7, 11),
        final_norm=False,
        drop_path_rate=0.1,
        init_cfg=dict(type='Pretrained', checkpoint='', prefix='backbone.'),
    ),
    neck=dict(embed_dim=768, rescales=[4, 2, 1, 0.5], norm_cfg=norm_cfg),
    decode_head=dict(in_channels=[768] * 4, channels=768, num_classes=num_classes),
    auxiliary_head=dict(in_channels=768, num_classes=num_classes),
    test_cfg=dict(mode='slide', crop_size=(512, 512), stride=(341, 341)),
)

# after LoadAnnotations
check = dict(type='mmpretrain.CheckLabelMap', num_classes=num_classes)
train_pipeline = [*_base_.train_pipeline[:2], check, *_base_.train_pipeline[2:]]
test_pipeline = [*_base_.test_pipeline[:3], check, *_base_.test_pipeline[3:]]
# The host's scales refer to the original images, the protocol's to the size of the test.
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TestTimeAug',
        transforms=[
            [
                dict(type='Resize', scale=(int(2048 * ratio), int(512 * ratio)), keep_ratio=True)
                for ratio in _base_.img_ratios
            ],
            [dict(type='RandomFlip', prob=prob, direction='horizontal') for prob in (0.0, 1.0)],
            [dict(type='LoadAnnotations')],
            [check],
            [dict(type='PackSegInputs')],
        ],
    ),
]
train_dataloader = dict(batch_size=2, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

optim_wrapper = dict(
    _delete_=True,
    type='mmpretrain.PrecisionOptimWrapper',
    dtype='float16',
    constructor='mmpretrain.LayerDecayOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=1e-4, betas=(0.9, 0.999), weight_decay=0.05),
    paramwise_cfg=dict(layer_decay_rate=0.65),
)
auto_scale_lr = dict(enable=False, base_batch_size=16)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, by_epoch=False, begin=0, end=1500),
    dict(type='PolyLR', eta_min=0.0, power=1.0, by_epoch=False, begin=1500, end=160000),
]
default_hooks = dict(progress=dict(type='mmpretrain.ProgressHook'))
