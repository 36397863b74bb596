# MLflow: docs/trackers.md
trackers = dict(mlflow=dict(type='mmpretrain.MLflowTracker', exp_name='cmae'))
