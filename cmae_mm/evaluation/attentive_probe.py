"""Attentive probe: a layer that attends to all tokens, and a linear one."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cmae_mm.models import AttentivePooling


def attentive_predict(
    train_tokens: Tensor,
    train_labels: Tensor,
    tokens: Tensor,
    epochs: int = 20,
    batch_size: int = 256,
    lr: float = 3e-3,
    seed: int = 0,
    device: str | torch.device = 'cpu',
) -> Tensor:
    """Predict labels by the attentive probe: :class:`AttentivePooling` and a linear layer.

    CAE's probe (arXiv 2202.03026) with a recipe for small data sets: AdamW without weight decay,
    10 % of the steps warm-up, then a cosine; no augmentation. The same arguments give the same
    labels; torch's random numbers outside are left alone.

    Args:
        train_tokens: shape (N, L, D), of any precision, on any device; N at least 2.
        train_labels: int64 in [0, classes), shape (N,).
        tokens: shape (M, L, D).
        epochs: passes over the training images.
        batch_size: images per step; all N if there are fewer.
        lr: largest learning rate.
        seed: of initial weights and order.
        device: to train on.

    Returns:
        labels, int64, shape (M,).
    """
    cuda = [device] if torch.device(device).type == 'cuda' else []
    with torch.random.fork_rng(cuda):
        torch.manual_seed(seed)
        pooling = AttentivePooling(train_tokens.shape[-1])
        linear = nn.Linear(train_tokens.shape[-1], int(train_labels.max()) + 1)
        nn.init.trunc_normal_(linear.weight, std=0.01)
        steps_per_epoch = max(len(train_labels) // batch_size, 1)
        order = [torch.randperm(len(train_labels)) for _ in range(epochs)]
    probe = nn.ModuleList([pooling, linear]).to(device)
    optimizer = torch.optim.AdamW(probe.parameters(), lr, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, lr, total_steps=epochs * steps_per_epoch, pct_start=0.1, cycle_momentum=False
    )
    for shuffled in order:
        # equal batches: batch norm can't take the single image that might remain
        for index in shuffled.tensor_split(steps_per_epoch):
            batch = train_tokens[index].to(device).float()
            loss = F.cross_entropy(linear(pooling(batch)[0]), train_labels[index].to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        # batch norm takes the means of all training images for the final weights, not those of
        # the last few steps
        pooling.norm.reset_running_stats()
        pooling.norm.momentum = None
        for part in train_tokens.tensor_split(steps_per_epoch):
            pooling(part.to(device).float())
        probe.eval()
        scores = [linear(pooling(part.to(device).float())[0]) for part in tokens.split(batch_size)]
    return torch.cat(scores).argmax(dim=1).cpu()
