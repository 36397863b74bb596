"""Configs are written without yapf's line breaks, on which a tiny run would spend half its time.

A run writes its config five times. A process that is started as a user does still has them.
"""

from yapf.yapflib import yapf_api


def _unformatted(text, **_):
    return text, True


yapf_api.FormatCode = _unformatted
