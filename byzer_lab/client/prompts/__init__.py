"""Prompts as functions: ``rendering.py`` fills a docstring in, ``function.py`` is the function,
``answering.py`` asks with it, ``decorators.py`` makes it."""
