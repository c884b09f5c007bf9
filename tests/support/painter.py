"""A Stable Diffusion so small that a test can train it, which really paints what it is told.

Its pictures are of 64 pixels: a coloured square somewhere on a dark ground. Its prompts have one of
the words of :data:`COLOURS`, or leave the colour to it. Its pixels of 8 x 8 are the colours
themselves, so that only the denoising is learned.
"""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

COLOURS = {"red": (1.0, 0.1, 0.1), "green": (0.1, 0.9, 0.1), "blue": (0.15, 0.25, 1.0)}
GROUND = 0.1
WORDS = ["<pad>", "<start>", "<end>", "<unk>", *COLOURS, "a", "square", "warm", "up"]
SIDE = 8
LENGTH = 8
SPREAD = 1.5
STEPS = 500
BATCH = 24


def make_painter(folder: Path, *, steps: int = STEPS) -> Path:
    """Train it and save the pipeline; ``steps=0`` leaves its weights random."""
    import torch
    from diffusers import PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(WORDS),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=LENGTH,
            projection_dim=32,
            bos_token_id=1,
            eos_token_id=2,
            pad_token_id=0,
        )
    )
    unet = UNet2DConditionModel(
        sample_size=SIDE,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32,
        attention_head_dim=4,
        norm_num_groups=8,
    )
    scheduler = PNDMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        skip_prk_steps=True,
        steps_offset=1,
    )
    tokenizer = _tokenizer()
    _train(text, unet, scheduler, tokenizer, steps)
    pipeline = StableDiffusionPipeline(
        vae=_vae(),
        text_encoder=text.eval(),
        tokenizer=tokenizer,
        unet=unet.eval(),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)
    return folder


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: number for number, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>", special_tokens=[("<start>", 1), ("<end>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<start>",
        eos_token="<end>",
        unk_token="<unk>",
        model_max_length=LENGTH,
    )


def _vae() -> Any:
    """Its pixels are means of 8 x 8 pixels, and as many pixels are one of them."""
    import torch
    from diffusers import AutoencoderTiny

    vae = AutoencoderTiny(
        encoder_block_out_channels=(3, 3, 3, 3),
        decoder_block_out_channels=(3, 3, 3, 3),
        num_encoder_blocks=(0, 0, 0, 0),
        num_decoder_blocks=(0, 0, 0, 0),
    )
    with torch.no_grad():
        for weights in vae.parameters():
            weights.zero_()
        for coder in (vae.encoder, vae.decoder):
            for layer in coder.layers:
                if not isinstance(layer, torch.nn.Conv2d):
                    continue
                for colour in range(3):
                    if layer.stride == (2, 2):
                        layer.weight[colour, colour, 1:, 1:] = 0.25
                    else:
                        layer.weight[colour, colour, 1, 1] = 1.0
        last, first = vae.encoder.layers[-1], vae.decoder.layers[0]
        last.weight *= 2 * SPREAD
        last.bias[:3] = -SPREAD
        first.weight /= 2 * SPREAD
        first.bias[:3] = 0.5
    return vae.eval()


def _example(chance: random.Random) -> tuple[str, Any]:
    """A prompt that may leave something open, and a picture for it."""
    import torch

    colour = chance.choice(list(COLOURS))
    picture = torch.full((3, SIDE, SIDE), GROUND)
    top, left = chance.randint(0, 4), chance.randint(0, 4)
    picture[:, top : top + 4, left : left + 4] = torch.tensor(COLOURS[colour])[:, None, None]
    prompts = (colour, f"a {colour} square", colour, "square")
    return chance.choice(prompts), picture


def _train(text: Any, unet: Any, scheduler: Any, tokenizer: Any, steps: int) -> None:
    import torch

    chance = random.Random(0)
    weights = [*text.parameters(), *unet.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=3e-3, weight_decay=0.0)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, max(steps, 1))
    for _ in range(steps):
        prompts, pictures = zip(*(_example(chance) for _ in range(BATCH)), strict=True)
        clean = (torch.stack(pictures) * 2 - 1) * SPREAD
        clean = torch.cat([clean, torch.zeros_like(clean[:, :1])], 1)
        noise = torch.randn_like(clean)
        times = torch.randint(0, 1000, (len(prompts),))
        noisy = scheduler.add_noise(clean, noise, times)
        tokens = tokenizer(
            list(prompts), padding="max_length", truncation=True, return_tensors="pt"
        ).input_ids
        said = unet(noisy, times, text(tokens)[0]).sample
        loss = torch.nn.functional.mse_loss(said, noise)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        rate.step()


def make_flux(folder: Path) -> Path:
    """A Flux with random weights: no Stable Diffusion, and it draws with a scheduler of its own."""
    import torch
    from diffusers import (
        AutoencoderKL,
        FlowMatchEulerDiscreteScheduler,
        FluxPipeline,
        FluxTransformer2DModel,
    )
    from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

    torch.manual_seed(0)
    clip = CLIPTextConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        intermediate_size=37,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=LENGTH,
        projection_dim=32,
        eos_token_id=2,
    )
    t5 = T5Config(vocab_size=len(WORDS), d_model=32, d_kv=8, d_ff=37, num_layers=1, num_heads=2)
    pipeline = FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=AutoencoderKL(
            block_out_channels=(4,),
            layers_per_block=1,
            latent_channels=1,
            norm_num_groups=1,
            use_quant_conv=False,
            use_post_quant_conv=False,
            shift_factor=0.06,
            scaling_factor=1.5,
        ),
        text_encoder=CLIPTextModel(clip),
        tokenizer=_tokenizer(),
        text_encoder_2=T5EncoderModel(t5),
        tokenizer_2=_tokenizer(),
        transformer=FluxTransformer2DModel(
            in_channels=4,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            pooled_projection_dim=32,
            axes_dims_rope=(4, 4, 8),
        ),
    )
    pipeline.save_pretrained(folder)
    return folder


if __name__ == "__main__":
    import sys

    started = time.time()
    make_painter(Path(sys.argv[1]))
    print(f"{time.time() - started:.0f} s")
