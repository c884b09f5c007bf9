"""The parameters of each kind of job, and what can be checked before anything heavy is imported."""
