"""Where tables live and queries run.

===================  ==============================================================================
``base.py``          the protocol, and what a column is
``duck.py``          DuckDB, inside this process
``worker.py``        the thread that queries run on, so that an interrupt stops them at once
``loading.py``       the formats of ``load``
``saving.py``        the formats and modes of ``save``
``options.py``       options of both, none of which is ignored
``paths.py``         their paths
``excel.py``         Excel, through openpyxl
``sqlite_files.py``  SQLite files as databases
``frames.py``        DataFrames of the notebook as tables, and tables as DataFrames
===================  ==============================================================================
"""
