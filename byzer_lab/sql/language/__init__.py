"""Byzer-SQL: texts into statements.

==================  ===============================================================================
``places.py``       lines and columns, and errors that point there
``tokens.py``       a text into words, strings and marks
``statements.py``   what a statement is
``parsing.py``      a script into statements
``options.py``      what stands behind ``where``
``commands.py``     ``!name arguments``, and the texts of macros filled with them
``conditions.py``   ``!if`` and what it guards
``chat.py``         cells that begin with ``--%chat``
``templates.py``    ``${...}``, filled when a statement runs
``dates.py``        Java's patterns of dates
==================  ===============================================================================
"""
