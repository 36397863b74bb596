"""The version of the package; setup.py reads it without importing the rest."""

__version__ = '0.1.0'
