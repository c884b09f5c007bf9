"""Models as functions of a query.

===================  ==============================================================================
``lifting.py``       takes the calls out of a query, stage by stage
``calls.py``         which functions of a query are calls, and what they ask
``guards.py``        under which condition a call's value matters
``parts.py``         the columns of kept rows
``splicing.py``      answers in the places of calls
``laterals.py``      calls in ``LATERAL VIEW``
``refusing.py``      places in which nothing can be called
``trees.py``         small things about the trees of queries
``pushing.py``       conditions of a query that hold for a table inside of it
``splitting.py``     the parts of an expression that the rows give
``answering.py``     answers the questions of a stage: known answers, budget, one pass
``ordering.py``      the order of questions that begin alike
``pump.py``          the pass: bounded, asynchronous, interruptible
``store.py``         answers that were paid for, across cells and kernels
``questions.py``     one question, and its hash
``kinds.py``         chat, JSON, vectors, scores, filters, labels
``schemas.py``       schemas of typed answers
``ask.py``           the deployments of the cluster
``macros.py``        ``llm_param`` and its kin, which DuckDB evaluates itself
``spark_macros.py``  the same for Spark
===================  ==============================================================================
"""
