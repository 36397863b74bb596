# Weights & Biases: docs/trackers.md
trackers = dict(wandb=dict(type='mmpretrain.WandbTracker', init_kwargs=dict(project='cmae')))
