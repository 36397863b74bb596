from mmengine.config import Config

from cmae_mm.engine.ranks import fit_to_cpu


def test_norms_across_ranks_become_plain_without_gpus(monkeypatch):
    def config():
        norm = dict(type='SyncBN', requires_grad=True)
        heads = [dict(norm_cfg=norm), dict(norm_cfg=dict(type='LN'))]
        return Config(dict(model=dict(type='EncoderDecoder', neck=dict(norm_cfg=norm), head=heads)))

    cfg = config()
    fit_to_cpu(cfg)
    assert cfg.model.neck.norm_cfg == dict(type='BN', requires_grad=True)
    assert [head.norm_cfg.type for head in cfg.model.head] == ['BN', 'LN']
    monkeypatch.setattr('torch.cuda.is_available', lambda: True)
    cfg = config()
    fit_to_cpu(cfg)
    assert cfg.model.neck.norm_cfg.type == 'SyncBN'
