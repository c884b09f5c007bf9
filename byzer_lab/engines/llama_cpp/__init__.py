"""The llama.cpp backend: one GGUF model, many requests in one context.

Importing this package loads neither llama_cpp nor numpy; ``LlamaCppEngine.load`` does.

==================  =============================================================================
``engine.py``       the engine: one request from prompt to chunks
``embedding.py``    the engine for vectors: one request from texts to their vectors
``parameters.py``   infer parameters and their checks
``files.py``        finds the GGUF file before anything heavy loads
``native.py``       the library itself: started once, its log lines caught
``loading.py``      weights and vocabulary into memory, the library's errors as sentences
``context.py``      the key-value cache and one decoding step
``encoder.py``      one pass over whole texts, for vectors
``capacity.py``     how large the cache may be
``prompt.py``       messages or a prompt as tokens
``plan.py``         a checked request: tokens, limits, how to choose each token
``sampling.py``     chooses the next token of a request by its own settings
``batch.py``        the loop: many requests, one step at a time, on one thread
``sequence.py``     one request in the loop
==================  =============================================================================
"""

from byzer_lab.engines.llama_cpp.embedding import LlamaCppEmbeddingEngine
from byzer_lab.engines.llama_cpp.engine import LlamaCppEngine

__all__ = ["LlamaCppEmbeddingEngine", "LlamaCppEngine"]
