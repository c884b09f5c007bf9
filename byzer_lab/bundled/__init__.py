"""The tiny demonstration model that is shipped with Byzer Lab."""

from __future__ import annotations

from pathlib import Path

__all__ = ["bundled_model"]


def bundled_model() -> Path:
    """The folder of the bundled model, a normal Hugging Face folder with a GGUF beside it.

    Raises:
        FileNotFoundError: the folder is missing from this installation.
    """
    folder = Path(__file__).parent / "byzer-lab-demo"
    if not (folder / "model.safetensors").is_file():
        raise FileNotFoundError(
            f"The bundled demonstration model is missing from this installation ({folder}); "
            "reinstall byzer-lab or give the path of another model."
        )
    return folder
