"""Training jobs: what was asked for, kept going until it ends."""
