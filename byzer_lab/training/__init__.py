"""What runs in a training job's process: data, finetuning, pretraining, merging, converting.

Importing the package and its ``parameters`` is cheap; torch, transformers, trl and deepspeed come
with the modules that :mod:`byzer_lab.training.running` imports when a job begins.
"""
