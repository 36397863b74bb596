"""A linear classifier that follows an encoder while it learns."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class OnlineClassifier:
    """Multinomial logistic regression that goes on from where it was, on ever newer features.

    Features are standardised by their own mean and deviation each time. Weights start at zero,
    so that no random numbers are drawn but for the order, from a generator of its own.

    Args:
        width: D, numbers of a feature vector.
        classes: number of them.
        device: to train on.
        epochs: passes over the features per call of :meth:`fit`.
        batch_size: features per step.
        lr: of AdamW.
    """

    def __init__(
        self,
        width: int,
        classes: int,
        device: torch.device,
        epochs: int = 10,
        batch_size: int = 256,
        lr: float = 0.01,
    ) -> None:
        self.linear = nn.utils.skip_init(nn.Linear, width, classes, device=device)
        for parameter in self.linear.parameters():
            nn.init.zeros_(parameter)
        self.optimizer = torch.optim.AdamW(self.linear.parameters(), lr)
        self.epochs = epochs
        self.batch_size = batch_size

    def fit(self, features: Tensor, labels: Tensor, seed: int) -> None:
        """Train on features, (N, D), and their labels, int64 (N,), on the classifier's device.

        Args:
            features, labels: of all classes.
            seed: of the order.
        """
        self.deviation, self.mean = torch.std_mean(features, dim=0, correction=0)
        features = self._standardised(features)
        generator = torch.Generator().manual_seed(seed)
        for _ in range(self.epochs):
            order = torch.randperm(len(labels), generator=generator).to(labels.device)
            for batch in order.split(self.batch_size):
                loss = F.cross_entropy(self.linear(features[batch]), labels[batch])
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()

    @torch.no_grad()
    def predict(self, features: Tensor) -> Tensor:
        """Return the labels, int64 (M,), of features, (M, D), of the encoder of the last fit."""
        return self.linear(self._standardised(features)).argmax(dim=1)

    def _standardised(self, features: Tensor) -> Tensor:
        return (features - self.mean) / (self.deviation + 1e-6)

    def state_dict(self) -> dict:
        """Return weights and optimiser."""
        return dict(linear=self.linear.state_dict(), optimizer=self.optimizer.state_dict())

    def load_state_dict(self, state: dict) -> None:
        """Go on from weights and optimiser."""
        self.linear.load_state_dict(state['linear'])
        self.optimizer.load_state_dict(state['optimizer'])
