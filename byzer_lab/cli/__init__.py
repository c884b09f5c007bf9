"""The ``byzer-lab`` command."""
