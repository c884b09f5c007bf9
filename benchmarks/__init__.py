"""What Byzer Lab costs, measured: ``python -m benchmarks``."""
