"""Sets up the project's virtual environments, with the standard library only.

An environment holds a stamp that says what it was made from: as long as that agrees with the
requirement files, there is nothing to do. The stamp exists only while the environment is complete,
so the next call replaces whatever an interrupted one left behind.
"""
