# TensorBoard: docs/trackers.md
trackers = dict(tensorboard=dict(type='mmpretrain.TensorboardTracker'))
