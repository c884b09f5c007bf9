"""Answers that fit by construction: JSON of a schema, and calls of tools.

A request that asks for either gets a grammar, and at each step only the tokens that the grammar
takes may be chosen. What can't be held that way is refused before anything is generated. The
library is llguidance, on every local backend.

================  ===============================================================================
``structure.py``  what an engine has: from a request to its constraint, and what its meta says
``schemas.py``    a JSON schema as the library can hold it, or why it can't
``formats.py``    patterns that stand for formats and for parts of patterns
``calls.py``      how models write calls of tools, found out from their chat templates
``tagged.py``     arguments of calls as tags
``grammar.py``    the grammar of a request
``compiler.py``   grammars compiled once, off the event loop
``constraint.py`` where one answer stands in its grammar
``masks.py``      which tokens may come next, for all answers of a step at once
``digits.py``     numbers that never end, ended
``reading.py``    the text of calls as pieces of calls
``vocabulary.py`` the library's view of a model's tokens
================  ===============================================================================

A constrained answer ends where its grammar ends: the model's end-of-text token is possible there
alone, ``ignore_eos`` and ``stop_token_ids`` are left aside, and stop texts end what is said beside
tools but cut no JSON. An answer that ``max_tokens`` cuts says so (``length``) and may be
unfinished.
"""
