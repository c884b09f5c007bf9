"""The transformers backend: chat models of the Hugging Face library, many requests at once.

Importing this package loads neither torch nor transformers; ``TransformersEngine.load`` does.

==================  =============================================================================
``engine.py``       the engine: one request from prompt to chunks
``parameters.py``   infer parameters and their checks
``loading.py``      tokenizer and weights into memory, the library's errors as sentences
``quantization.py`` weights in fewer bits
``adapters.py``     a trained adapter on its base model
``lora.py``         adapters that each request of one batch chooses for itself
``prompt.py``       messages or a prompt as tokens
``tokenizing.py``   tokens of a text and the prompt of a conversation, for who asks for them
``structure.py``    holds answers to schemas and calls
``plan.py``         checks a request against the model and plans it
``sampling.py``     chooses the next token of every request of a batch by its own settings
``capacity.py``     how large the batch and its cache may be
``classes.py``      which class of the library loads a model
``conversions.py``  families whose files are translated into the library's terms
``batching.py``     many requests in one continuous batch
``pictures.py``     pictures of a conversation, for models that see
``single.py``       one request after another, for models that can't be batched
==================  =============================================================================

What it shares with other local backends is one folder up: ``local.py`` is the base of all,
``folder.py`` finds the model before anything heavy loads, ``precision.py`` has number formats and
threads, ``progress.py`` the loading of weights, ``checks.py`` and ``plan.py`` requests,
``text.py``, ``logprobs.py`` and ``answering.py`` answers.
"""

from byzer_lab.engines.transformers.engine import TransformersEngine

__all__ = ["TransformersEngine"]
