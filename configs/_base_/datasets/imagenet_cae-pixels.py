_base_ = './imagenet_cae.py'

data_preprocessor = dict(target_size=None)
