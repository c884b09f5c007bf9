"""A worker: one engine in one process, behind its own HTTP endpoint."""
