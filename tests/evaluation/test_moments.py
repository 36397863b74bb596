import pytest
import torch

from cmae_mm.evaluation import effective_rank, moments


def naive_rank_me(features):
    """The formula (arXiv 2210.02885, Eq. 1) on singular values."""
    values = torch.linalg.svdvals(features.double())
    shares = values / values.sum() + 1e-7
    return torch.exp(-(shares * shares.log()).sum()).item()


def test_moments_are_those_of_all_rows():
    features = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)) + 2
    of = moments(features.half(), chunk=7)
    exact = features.half().double()
    assert of.count == 50
    assert torch.allclose(of.mean, exact.mean(dim=0), rtol=1e-12)
    assert torch.allclose(of.covariance, exact.T.cov(correction=0), rtol=1e-9)


@pytest.mark.parametrize('rank', [1, 3, 8])
def test_effective_rank_is_the_paper_s(rank):
    generator = torch.Generator().manual_seed(rank)
    features = torch.randn(200, rank, generator=generator) @ torch.randn(
        rank, 8, generator=generator
    )
    assert effective_rank(moments(features)) == pytest.approx(naive_rank_me(features), rel=1e-4)


def test_effective_rank_of_equal_directions_is_their_number():
    assert effective_rank(moments(torch.eye(5).repeat(4, 1))) == pytest.approx(5, rel=1e-4)
    assert effective_rank(moments(torch.ones(6, 5))) == pytest.approx(1, abs=1e-3)
