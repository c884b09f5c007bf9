"""Embedding and rerank models of the sentence-transformers library.

They belong to the transformers backend: ``byzer_lab/engines/families`` chooses this package by
the model's type or by its folder. Importing it loads neither torch nor the library; ``load`` does.

==================  =============================================================================
``engine.py``       the two engines: one request from texts to vectors, from pairs to scores
``parameters.py``   infer parameters
``loading.py``      the models in memory, what they are refused for, how texts become tokens
``requests.py``     requests, checked and their settings filled in
``batching.py``     what waits, of all requests, in common passes through the model
==================  =============================================================================
"""

from byzer_lab.engines.sentence_transformers.engine import EmbeddingEngine, RerankEngine

__all__ = ["EmbeddingEngine", "RerankEngine"]
