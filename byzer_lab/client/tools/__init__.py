"""Tools: what a model may call.

``signature.py`` reads a Python function, ``tool.py`` makes tools of functions, classes and schemas,
``calls.py`` finds calls in a text, ``running.py`` runs them, ``rounds.py`` asks and feeds back.
"""
