"""Tuning on which of two answers is better (DPO). ``training`` has ``run``."""
