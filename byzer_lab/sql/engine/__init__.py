"""Where tables live and queries run.

===================  ==============================================================================
``base.py``          the protocol, and what a column is
``words.py``         how queries are written, where the engines differ
``choosing.py``      which engine a name means
``duck.py``          DuckDB, inside this process; ``duck_words.py``
``spark.py``         Spark, here or behind Spark Connect; ``spark_words.py``, ``spark_files.py``,
                     ``spark_arrow.py``
``worker.py``        the thread that queries run on, so that an interrupt stops them at once
``loading.py``       the formats of ``load``; ``reading.py``: those that DuckDB reads
``saving.py``        the formats and modes of ``save``
``options.py``       options of both, none of which is ignored
``paths.py``         their paths
``excel.py``         Excel, through openpyxl
``databases.py``     addresses of databases
``sqlite_files.py``  SQLite files as databases
``json_types.py``    what a JSON Schema says of a column
``frames.py``        DataFrames of the notebook as tables, and tables as DataFrames
===================  ==============================================================================
"""
