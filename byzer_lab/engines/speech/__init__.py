"""Models of speech on the transformers backend: those that listen and those that speak.

Importing this package loads neither torch nor transformers; ``load`` of an engine does.

==================  =============================================================================
``base.py``         what both engines do alike: one thread for the model
``listening.py``    the engine of Whisper: a sound as a transcript
``speaking.py``     the engine of Bark and VITS: a text as a sound
``parameters.py``   infer parameters
``questions.py``    what a request asks, in all forms that are known
``loading.py``      models into memory
``whisper.py``      one window of a sound as text, with times
``voices.py``       one sentence as samples, by the model's kind
``sentences.py``    a text as sentences
``stopping.py``     ends generation between two tokens; chance by a seed
==================  =============================================================================

Sounds are read and written by ``engines/audio.py``; ``byzer_lab/speech.py`` has the names that a
request may set and the forms of a transcript.
"""

from byzer_lab.engines.speech.listening import ListeningEngine
from byzer_lab.engines.speech.speaking import SpeakingEngine

__all__ = ["ListeningEngine", "SpeakingEngine"]
