"""Finetuning on questions and answers: LoRA, QLoRA, or all weights. ``training`` has ``run``."""
