"""Answers that are objects: what a class says about its JSON, asking for it, reading it.

``kinds.py`` is what may be asked for, ``schemas.py`` fits a schema to an engine, ``parsing.py``
finds JSON in an answer, ``asking.py`` asks until the answer fits, ``streaming.py`` shows it while
it grows.
"""
