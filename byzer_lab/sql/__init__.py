"""Byzer-SQL: scripts in which models are functions of a query.

==============  ===================================================================================
``language/``   reads scripts into statements
``spark/``      the SQL of their queries, which is Spark's, in the engine's words
``engine/``     where tables live and queries run
``models/``     the calls of models, lifted out of queries
``commands/``   runs the statements
==============  ===================================================================================
"""
