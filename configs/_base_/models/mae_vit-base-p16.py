_base_ = 'mmpretrain::_base_/models/mae_vit-base-p16.py'
