"""Export a checkpoint as a Hugging Face folder with a GGUF beside the safetensors.

Run: ``python -m tools.bundled_model.export --run DIR --tokenizer DIR --out FOLDER``.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

from .export_gguf import export_gguf
from .model import Shape

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
GGUF_FILE = "byzer-lab-demo.gguf"


def shape_of(weights: dict[str, torch.Tensor]) -> Shape:
    """The sizes, read back from the weights."""
    layers = 1 + max(int(n.split(".")[2]) for n in weights if n.startswith("model.layers."))
    vocabulary, width = weights["model.embed_tokens.weight"].shape
    inner = weights["model.layers.0.mlp.gate_proj.weight"].shape[0]
    return Shape(
        vocab_size=vocabulary, hidden_size=width, intermediate_size=inner, num_hidden_layers=layers
    )


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")


def export(run: Path, tokenizer_folder: Path, out: Path) -> None:
    """Write the folder."""
    out.mkdir(parents=True, exist_ok=True)
    weights = torch.load(run / "checkpoint.pt", weights_only=True)["model"]
    # bfloat16 is what the matrix products of the training saw, so rounding loses nothing there.
    rounded = {name: tensor.bfloat16().contiguous() for name, tensor in weights.items()}
    save_file(rounded, out / "model.safetensors", metadata={"format": "pt"})
    for name in TOKENIZER_FILES:
        shutil.copyfile(tokenizer_folder / name, out / name)
    tokenizer = Tokenizer.from_file(str(tokenizer_folder / "tokenizer.json"))
    end, pad = tokenizer.token_to_id("<|im_end|>"), tokenizer.token_to_id("<|endoftext|>")
    _write_json(out / "config.json", shape_of(weights).config(end, pad))
    _write_json(
        out / "generation_config.json",
        {
            "do_sample": False,
            "eos_token_id": [end, pad],
            "pad_token_id": pad,
            "max_new_tokens": 256,
        },
    )
    export_gguf(out, out / GGUF_FILE)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    export(options.run, options.tokenizer, options.out)
    for file in sorted(options.out.iterdir()):
        print(f"{file.stat().st_size:>9} {file.name}")


if __name__ == "__main__":
    main()
