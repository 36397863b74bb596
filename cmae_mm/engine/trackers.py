"""Experiment trackers: mmengine's, whose runs and step axes survive a resume."""

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.visualization import (
    ClearMLVisBackend,
    MLflowVisBackend,
    TensorboardVisBackend,
    WandbVisBackend,
)
from mmpretrain.registry import VISBACKENDS


class Tracker:
    """Mixed into a backend of mmengine: one run of the tracker per training, however often resumed.

    What the tracker writes to disk lies in ``<work_dir>/<folder>/``, and
    ``<work_dir>/<package>_run.txt`` names the run, which a resumed training takes up again.
    Only rank 0 opens a run: the hosts' Visualizer calls its backends there alone.

    Raises:
        ImportError: the tracker's package is not installed; on every rank, before anything is
            built.
    """

    package: str
    folder: str

    def __init__(self, save_dir: str, **kwargs) -> None:
        super().__init__(save_dir, **kwargs)
        self.resumes = False
        if find_spec(self.package) is None:
            raise ImportError(
                f'{type(self).__name__} needs {self.package}, which is not installed: pip install '
                f"{self.package}, or all trackers with pip install 'cmae_mm[trackers]'"
            )

    def add_config(self, config: Config, **kwargs) -> None:
        """Open the run, a new one or that of the training which is resumed, and log its config."""
        self.cfg = config
        self._save_dir = str(Path(config.work_dir, self.folder))
        file = Path(config.work_dir, f'{self.package}_run.txt')
        if config.get('resume') and file.exists():
            self.resumes = True
            self.resume_run(file.read_text())
        self.log_config(config)
        file.write_text(self.run_name())

    def log_config(self, config: Config) -> None:
        """Log the config; the first call to the host's backend opens the run."""
        super().add_config(config)

    def resume_run(self, name: str) -> None:
        """Prepare to open the run of this name instead of a new one."""
        raise NotImplementedError

    def run_name(self) -> str:
        """Return what :meth:`resume_run` needs."""
        raise NotImplementedError


@VISBACKENDS.register_module()
class TensorboardTracker(Tracker, TensorboardVisBackend):
    """TensorBoard: a folder of ``<work_dir>/tensorboard/`` per run."""

    package = 'tensorboard'
    folder = 'tensorboard'

    def __init__(self, save_dir: str) -> None:
        super().__init__(save_dir)
        self.run = Path(save_dir).parent.name  # the time of the start

    def log_config(self, config: Config) -> None:
        self._save_dir = str(Path(self._save_dir, self.run))
        super().log_config(config)

    def resume_run(self, name: str) -> None:
        self.run = name

    def run_name(self) -> str:
        return self.run


@VISBACKENDS.register_module()
class WandbTracker(Tracker, WandbVisBackend):
    """Weights & Biases, with the training's steps on the x axis.

    mmengine's backend counts calls instead, and uploads every Python file below the working
    directory, a virtual environment's, too.

    Args:
        save_dir: of the host's.
        init_kwargs: of ``wandb.init``, such as ``project``, ``name`` and ``mode='offline'``.
        define_metric_cfg: of the host's; by default each value is drawn over ``step``.
        **kwargs: of the host's.
    """

    package = 'wandb'
    folder = '.'  # wandb makes a folder of its own name

    def __init__(
        self,
        save_dir: str,
        init_kwargs: dict | None = None,
        define_metric_cfg: Sequence[dict] = ({'name': '*', 'step_metric': 'step'},),
        **kwargs,
    ) -> None:
        super().__init__(
            save_dir,
            init_kwargs=dict(init_kwargs or {}),
            define_metric_cfg=[*define_metric_cfg],
            **kwargs,
        )

    def log_config(self, config: Config) -> None:
        self.experiment.config.update(config.to_dict(), allow_val_change=self.resumes)

    def resume_run(self, name: str) -> None:
        self._init_kwargs.update(id=name, resume='allow')

    def run_name(self) -> str:
        return self.experiment.run.id

    def add_image(self, name: str, image: np.ndarray, step: int = 0, **kwargs) -> None:
        wandb = self.experiment
        wandb.log({name: wandb.Image(image), 'step': step})

    def add_scalar(self, name: str, value, step: int = 0, **kwargs) -> None:
        self.add_scalars({name: value}, step)

    def add_scalars(self, scalar_dict: dict, step: int = 0, file_path=None, **kwargs) -> None:
        self.experiment.log({**scalar_dict, 'step': step})

    def close(self) -> None:
        if hasattr(self, '_wandb'):
            self._wandb.finish()


@VISBACKENDS.register_module()
class MLflowTracker(Tracker, MLflowVisBackend):
    """MLflow, in ``<work_dir>/mlflow/`` or on the server of ``tracking_uri``.

    Unlike mmengine's backend it shows images by step, and leaves log files where they are.
    """

    package = 'mlflow'
    folder = 'mlflow'

    def log_config(self, config: Config) -> None:
        # MLflow's folders of files, which need no database: it reads them still, if told so
        os.environ.setdefault('MLFLOW_ALLOW_FILE_STORE', 'true')
        if not self.resumes:  # a parameter can't be changed
            super().log_config(config)

    def resume_run(self, name: str) -> None:
        # The host opens the run as a side effect of its first call; MLflow then looks here.
        os.environ['MLFLOW_RUN_ID'] = name

    def run_name(self) -> str:
        mlflow = self.experiment
        return (mlflow.active_run() or mlflow.start_run()).info.run_id

    def add_image(self, name: str, image: np.ndarray, step: int = 0, **kwargs) -> None:
        self.experiment.log_image(image, key=name, step=step)

    def close(self) -> None:
        if hasattr(self, '_mlflow'):
            self._mlflow.end_run()


@VISBACKENDS.register_module()
class ClearMLTracker(Tracker, ClearMLVisBackend):
    """ClearML; it neither patches other packages nor uploads checkpoints unless told to.

    Without a network: ``CLEARML_OFFLINE_MODE=1`` in the environment.

    Args:
        save_dir: of the host's.
        init_kwargs: of ``clearml.Task.init``, such as ``project_name`` and ``task_name``.
        artifact_suffix: of files below the work folder to upload at the end.
    """

    package = 'clearml'
    folder = 'clearml'  # unused: ClearML has a cache of its own

    def __init__(
        self,
        save_dir: str,
        init_kwargs: dict | None = None,
        artifact_suffix: tuple[str, ...] = ('.py',),
    ) -> None:
        defaults = dict(
            auto_connect_frameworks=False,
            auto_connect_arg_parser=False,
            reuse_last_task_id=False,  # of this name: whatever it was
        )
        super().__init__(
            save_dir,
            init_kwargs={**defaults, **(init_kwargs or {})},
            artifact_suffix=artifact_suffix,
        )

    def resume_run(self, name: str) -> None:
        # 0: steps are those of the training, not counted on from the last one seen
        self._init_kwargs.update(reuse_last_task_id=name, continue_last_task=0)

    def run_name(self) -> str:
        return self._task.id
