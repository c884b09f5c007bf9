"""The vLLM backend: vLLM's own asynchronous engine behind the protocol of all engines.

Importing this package loads neither torch nor vllm; ``VLLMEngine.load`` does.

====================  ===========================================================================
``engine.py``         the engine: one request from prompt to chunks
``parameters.py``     infer parameters and their checks, by the table ``arguments.json``
``adapters.py``       LoRA adapters: their folders, the rank they need, a request's choice
``arguments.py``      vLLM's configuration of a deployment, with our defaults
``placement.py``      where its ranks run
``capacity.py``       how large the key-value cache on a processor may be
``surroundings.py``   environment variables of vLLM's processes
``pictures.py``       refuses pictures
``structure.py``      holds answers to schemas and calls
``runtime.py``        vLLM on a thread of its own: started, asked, ended
``news.py``           what vLLM's processes tell, and how they end with the worker
====================  ===========================================================================

A request is planned as on the transformers backend (``transformers/plan.py``), and tokens become
text as on every backend (``engines/text.py``), so that the same request gets the same answer.
"""

from byzer_lab.engines.vllm.engine import VLLMEngine

__all__ = ["VLLMEngine"]
