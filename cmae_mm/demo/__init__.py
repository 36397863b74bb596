"""The demonstrations: built-in pictures, quickstart, downstream tasks, and their reports.

Only the tools and this folder use what is here; :class:`BuiltinImages` is registered for
their configs.
"""

from .pictures import BuiltinImages

__all__ = ['BuiltinImages']
