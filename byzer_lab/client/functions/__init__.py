"""Functions that the model writes: ``llm.impl``, and ``chat_oai(impl_func=...)``.

``code.py`` finds the function in an answer, ``names.py`` says what it may refer to,
``implementation.py`` runs it in the sandbox, ``writing.py`` asks until it works, ``cache.py`` keeps
it, ``shown.py`` shows it; ``asked.py`` and ``calls.py`` are the client's methods.
"""
