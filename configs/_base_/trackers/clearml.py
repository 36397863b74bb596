# ClearML: docs/trackers.md
trackers = dict(
    clearml=dict(
        type='mmpretrain.ClearMLTracker',
        init_kwargs=dict(project_name='cmae', task_name='pre-training'),
    )
)
