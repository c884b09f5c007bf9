"""Prompts as functions: ``rendering.py`` fills a docstring in, ``function.py`` is the function,
``fluent.py`` its settings of the conversation around the prompt, which ``turns.py`` carries out,
``answering.py`` asks with it, ``decorators.py`` makes it."""
