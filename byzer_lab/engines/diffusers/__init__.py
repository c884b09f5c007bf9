"""The diffusers backend: Stable Diffusion and other pipelines that draw what a text says.

Importing this package loads neither torch nor diffusers; ``DiffusersEngine.load`` does.

==================  =============================================================================
``engine.py``       the engine: one request from prompt to chunks
``parameters.py``   infer parameters
``request.py``      checks a request and plans it
``loading.py``      the pipeline into memory
``samplers.py``     the scheduler of each sampler's name
``windows.py``      a picture in overlapping windows
``painter.py``      one request on the pipeline: passes, enlarging, progress, cancelling
``files.py``        pictures as files
==================  =============================================================================

What a request may set is declared in :mod:`byzer_lab.drawing`.
"""

from byzer_lab.engines.diffusers.engine import DiffusersEngine

__all__ = ["DiffusersEngine"]
