"""A vision-language model so small that a test can train it, which really sees.

It is a Qwen2-VL. A picture has 64 pixels and 4 x 4 fields; one of them has a coloured square, and
the ground is darker to the left and to the top, so that each field looks different. Asked
``colour``, it names the colour; asked ``where``, it gives the square's box as Qwen-VL does, in
thousandths.
"""

from __future__ import annotations

import itertools
import random
import time
from pathlib import Path
from typing import Any

COLOURS = {"red": (230, 20, 20), "green": (20, 200, 20), "blue": (20, 40, 240)}
FIELDS = 4
FIELD = 16
PIXELS = FIELDS * FIELD
MARKS = [
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"),
    *("<|image_pad|>", "<|video_pad|>", "<|object_ref_start|>", "<|object_ref_end|>"),
    *("<|box_start|>", "<|box_end|>"),
]
WORDS = [
    *("system", "user", "assistant", "colour", "where", "again", *COLOURS),
    *(str(edge * 1000 // FIELDS) for edge in range(FIELDS + 1)),
]
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}{% else %}"
    "{% for part in message.content %}{% if part.type == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
STEPS = 300
BATCH = 32
RATE = 3e-3
SPREAD = 0.08


def picture(colour: str, column: int, row: int) -> Any:
    """A picture of Pillow with a square in one of the fields."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (PIXELS, PIXELS))
    draw = ImageDraw.Draw(image)
    for x, y in itertools.product(range(FIELDS), repeat=2):
        ground = (30 + 60 * x, 30 + 60 * y, 120)
        draw.rectangle([x * FIELD, y * FIELD, (x + 1) * FIELD - 1, (y + 1) * FIELD - 1], ground)
    left, top = column * FIELD + 4, row * FIELD + 4
    draw.rectangle([left, top, left + 7, top + 7], COLOURS[colour])
    return image


def box(column: int, row: int) -> tuple[int, int, int, int]:
    """The box of a field, in thousandths."""
    edges = [edge * 1000 // FIELDS for edge in (column, row, column + 1, row + 1)]
    return edges[0], edges[1], edges[2], edges[3]


def boxed(colour: str, column: int, row: int) -> str:
    """What it is to answer when it is asked where."""
    x1, y1, x2, y2 = box(column, row)
    return (
        f"<|object_ref_start|>{colour}<|object_ref_end|>"
        f"<|box_start|>({x1},{y1}),({x2},{y2})<|box_end|>"
    )


def make_seer(folder: Path, *, steps: int = STEPS) -> Path:
    """Train it and save it with its processor; ``steps=0`` leaves its weights random."""
    import torch
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

    torch.manual_seed(0)
    processor = _processor()
    number = processor.tokenizer.convert_tokens_to_ids
    config = Qwen2VLConfig(
        text_config={
            "vocab_size": len(processor.tokenizer),
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "initializer_range": SPREAD,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 512,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [2, 3, 3],
            },
            "bos_token_id": None,
            "eos_token_id": number("<|im_end|>"),
            "pad_token_id": number("<|endoftext|>"),
        },
        vision_config={
            "depth": 1,
            "embed_dim": 32,
            "hidden_size": 64,
            "num_heads": 2,
            "patch_size": FIELD // 2,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "initializer_range": SPREAD,
        },
        image_token_id=number("<|image_pad|>"),
        video_token_id=number("<|video_pad|>"),
        vision_start_token_id=number("<|vision_start|>"),
        vision_end_token_id=number("<|vision_end|>"),
        tie_word_embeddings=False,
    )
    model = Qwen2VLForConditionalGeneration(config)
    model.generation_config.eos_token_id = number("<|im_end|>")
    model.generation_config.pad_token_id = number("<|endoftext|>")
    _train(model, processor, steps)
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _processor() -> Any:
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen2VLProcessor
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import (
        Qwen2VLImageProcessorPil,
    )

    from byzer_lab.engines.transformers.pictures import processor_class

    tokenizer = Tokenizer(models.BPE())
    words = pre_tokenizers.Split(Regex("[0-9]+|[a-z]+|[^0-9a-z]"), "isolated")
    in_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, in_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,  # more than enough: each word becomes one token
        special_tokens=MARKS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([" ".join(WORDS)] * 20, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        model_max_length=512,
    )
    fast.chat_template = TEMPLATE
    pictures = Qwen2VLImageProcessorPil(
        size={"shortest_edge": PIXELS * PIXELS, "longest_edge": PIXELS * PIXELS},
        patch_size=FIELD // 2,
        merge_size=2,
        temporal_patch_size=2,
    )
    return processor_class(Qwen2VLProcessor)(pictures, fast, chat_template=TEMPLATE)


def _train(model: Any, processor: Any, steps: int) -> None:
    import torch

    chance = random.Random(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.0)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, max(steps, 1))
    examples = [_example(processor, cell) for cell in _cells()] if steps else []
    for step in range(steps):
        chosen = [chance.choice(questions) for questions in chance.choices(examples, k=BATCH)]
        longest = max(len(one["input_ids"]) for one in chosen)
        padded = {
            name: torch.stack(
                [
                    torch.nn.functional.pad(one[name], (0, longest - len(one[name])), value=rest)
                    for one in chosen
                ]
            )
            for name, rest in (
                *(("input_ids", 0), ("attention_mask", 0), ("mm_token_type_ids", 0)),
                ("labels", -100),
            )
        }
        seen = {
            name: torch.cat([one[name] for one in chosen])
            for name in ("pixel_values", "image_grid_thw")
        }
        loss = model(**padded, **seen).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        rate.step()
        if __name__ == "__main__" and step % 25 == 0:
            print(step, round(loss.item(), 4), f"{time.process_time():.0f} s", flush=True)


def _cells() -> list[tuple[str, int, int]]:
    return list(itertools.product(COLOURS, range(FIELDS), range(FIELDS)))


def _example(processor: Any, cell: tuple[str, int, int]) -> list[dict[str, Any]]:
    """The questions about one picture, ready for the model."""
    import torch

    begin = "<|im_start|>assistant\n"
    look = "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>"
    again = f"<|im_end|>\n<|im_start|>user\nwhere<|im_end|>\n{begin}{boxed(*cell)}<|im_end|>"
    texts = [
        f"{look}colour<|im_end|>\n{begin}{cell[0]}{again}",
        f"{look}where<|im_end|>\n{begin}{boxed(*cell)}<|im_end|>",
    ]
    first = processor.tokenizer(begin, add_special_tokens=False).input_ids
    end = processor.tokenizer.convert_tokens_to_ids("<|im_end|>")
    examples = []
    for text in texts:
        found = processor(text=[text], images=[picture(*cell)], return_tensors="pt")
        pictures = ("pixel_values", "image_grid_thw")
        one = {name: value if name in pictures else value[0] for name, value in found.items()}
        tokens = one["input_ids"].tolist()
        one["labels"] = torch.full_like(one["input_ids"], -100)
        for place in range(len(tokens)):
            start = place + len(first)
            if tokens[place:start] == first:
                stop = tokens.index(end, start) + 1
                one["labels"][start:stop] = one["input_ids"][start:stop]
        examples.append(one)
    return examples


if __name__ == "__main__":
    import sys

    started = time.time()
    make_seer(Path(sys.argv[1]))
    print(f"{time.time() - started:.0f} s")
