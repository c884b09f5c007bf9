"""Runs the statements of a script.

===================  ==============================================================================
``session.py``       what stays from cell to cell: engine, tables, variables, functions
``running.py``       one script: each kind of statement, and where a failure stood
``queries.py``       ``select``: translated, its tables found, its calls lifted
``tables.py``        names of tables; what a name meant stays as it was for those made from it
``variables.py``     ``set`` and ``${...}``
``files.py``         ``load``, ``save``, ``connect``
``llm.py``           ``run command as LLM`` and ``!byzerllm``
``operators.py``     the other operators of ``run``
``functions.py``     ``register``: functions of Python
``builtin.py``       ``!show``, ``!desc`` and the other commands
``checks.py``        ``!assert`` and its kin
``choosing.py``      ``!if``: which branch runs
``chat.py``          cells that begin with ``--%chat``
``includes.py``      ``include``
``passing.py``       ``create``, ``insert``, ``drop``
===================  ==============================================================================
"""
