"""Pretraining (``sfft``): all weights on plain text, with DeepSpeed, over the job's workers.

===================  ============================================================================
``settings.py``      DeepSpeed's JSON: read, checked and completed; nothing heavy
``training.py``      the job: tokens, then the workers, then the model's folder
``corpus.py``        rows to one stream of tokens for each worker
``streams.py``       the files of those tokens
``schedule.py``      which blocks of the streams each step trains on
``loop.py``          one worker: its steps, and when it saves or stops
``keeping.py``       its checkpoints and the model in the end
``runtime.py``       the model under DeepSpeed on this machine
``checkpoints.py``   which checkpoints are whole, and what is kept of them
``progress.py``      what is told of each step
===================  ============================================================================

A text is tokenised, ended by the tokenizer's end token and joined to the one before; the stream is
cut into blocks of ``max_length`` tokens that overlap by one, so that every token is predicted once
and none is thrown away. The last block is shorter, and every token of a step counts the same.

What a step trains on depends on its number alone, and checkpoints hold the state of the random
numbers: a job that was killed ends with the same weights as one that was not.
"""
