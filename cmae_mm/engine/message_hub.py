"""Logged values that stay on the device until they are read."""

from collections import defaultdict

from mmengine.logging import HistoryBuffer, MessageHub
from torch import Tensor


class PatientMessageHub(MessageHub):
    """mmengine's hub of logged values, which takes tensors without waiting for the device.

    The host's converts each loss to a number at each step, and so waits for the device each
    time. Here a tensor becomes a number when its buffer is read: by the log once per interval,
    by a checkpoint, by a hook. Buffers hold the same numbers in the same order.

    Args:
        name: of the instance.
        capacity: tensors per buffer after which they are read unasked.
    """

    def __init__(self, name: str, capacity: int = 1000) -> None:
        super().__init__(name)
        self.capacity = capacity
        self.waiting: dict[str, list[tuple]] = defaultdict(list)  # value, count, resumed

    def update_scalar(
        self, key: str, value: Tensor | float, count: int = 1, resumed: bool = True
    ) -> None:
        """Add a value to a buffer; see mmengine's MessageHub."""
        # a buffer's first value is read at once: the log shows buffers as they were made
        if isinstance(value, Tensor) and key in self._log_scalars:
            self.waiting[key].append((value.detach().clone(), count, resumed))
            if len(self.waiting[key]) > self.capacity:
                self._read(key)
        else:
            self._read(key)
            super().update_scalar(key, value, count, resumed)

    def get_scalar(self, key: str) -> HistoryBuffer:
        """Return the buffer of a key; waits for its tensors."""
        self._read(key)
        return self._log_scalars[key]

    @property
    def log_scalars(self) -> dict[str, HistoryBuffer]:
        """All buffers by key; waits for their tensors."""
        self._read_all()
        return self._log_scalars

    def state_dict(self) -> dict:
        """Return what a checkpoint keeps; waits for the tensors of all buffers."""
        self._read_all()
        return super().state_dict()

    def _read_all(self) -> None:
        for key in list(self.waiting):
            self._read(key)

    def _read(self, key: str) -> None:
        for values in self.waiting.pop(key, ()):
            super().update_scalar(key, *values)


# whoever asks mmengine for the current hub gets this one
PatientMessageHub._instance_dict = MessageHub._instance_dict
