"""The error that users see."""


class InstallError(Exception):
    """The reason why an installation cannot go on, in words for the user."""
