"""Tiny models that speak, with random weights: a Bark with two voices and a VITS with three."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

VOICES = ("v2/en_speaker_1", "v2/zh_speaker_1")


def make_bark(folder: Path) -> Path:
    """Save a Bark."""
    import torch
    from transformers import (
        BarkCoarseConfig,
        BarkConfig,
        BarkFineConfig,
        BarkModel,
        BarkSemanticConfig,
        EncodecConfig,
        GenerationConfig,
    )
    from transformers.models.bark.generation_configuration_bark import (
        BarkCoarseGenerationConfig,
        BarkFineGenerationConfig,
        BarkSemanticGenerationConfig,
    )

    torch.manual_seed(0)
    small = {"num_layers": 1, "num_heads": 2, "hidden_size": 16, "block_size": 1024}
    config = BarkConfig(
        semantic_config=BarkSemanticConfig(
            **small, input_vocab_size=129_600, output_vocab_size=10_048
        ).to_dict(),
        coarse_acoustics_config=BarkCoarseConfig(
            **small, input_vocab_size=12_096, output_vocab_size=12_096
        ).to_dict(),
        fine_acoustics_config=BarkFineConfig(
            **small, input_vocab_size=1056, output_vocab_size=1056
        ).to_dict(),
        codec_config=EncodecConfig(
            num_filters=4, hidden_size=16, codebook_size=1024, codebook_dim=16, num_lstm_layers=1,
            upsampling_ratios=[8, 5, 4, 2], target_bandwidths=[6.0],
        ).to_dict(),
    )  # fmt: skip
    model = BarkModel(config)
    with torch.no_grad():  # far from zero, so that what came before changes what follows
        for weights in (*model.semantic.parameters(), *model.coarse_acoustics.parameters()):
            weights.mul_(15 if weights.dim() > 1 else 1)
        for layer in model.codec_model.quantizer.layers:  # the library leaves them at zero
            layer.codebook.embed.normal_()
    semantic = BarkSemanticGenerationConfig(
        max_new_tokens=12, max_input_semantic_length=256, do_sample=True
    )
    coarse = BarkCoarseGenerationConfig(
        sliding_window_len=20, max_coarse_history=60, do_sample=True
    )
    fine = BarkFineGenerationConfig(max_fine_history_length=128)
    model.generation_config = GenerationConfig(
        semantic_config=semantic.to_dict(),
        coarse_acoustics_config=coarse.to_dict(),
        fine_acoustics_config=fine.to_dict(),
        sample_rate=24_000,
        codebook_size=1024,
    )
    model.eval().save_pretrained(folder)
    _save_tokenizer(folder)
    _save_voices(folder)
    return folder


def _save_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = [chr(code) for code in range(33, 127)] + list("你好世界。！")
    words = {word: n for n, word in enumerate(["[PAD]", "[UNK]", *letters])}
    tokenizer = Tokenizer(models.WordPiece(words, unk_token="[UNK]", continuing_subword_prefix=""))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]"
    ).save_pretrained(folder)


def _save_voices(folder: Path) -> None:
    """Presets as Bark's own folder has them."""
    chance = np.random.default_rng(0)
    listed = {}
    for name in VOICES:
        files = {
            "semantic_prompt": chance.integers(0, 10_000, 30),
            "coarse_prompt": chance.integers(0, 1024, (2, 45)),
            "fine_prompt": chance.integers(0, 1024, (8, 45)),
        }
        listed[name] = {}
        for key, values in files.items():
            file = f"speaker_embeddings/{name}_{key}.npy"
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            np.save(folder / file, values, allow_pickle=False)
            listed[name][key] = file
    text = json.dumps({"repo_or_path": "suno/bark", **listed})
    (folder / "speaker_embeddings_path.json").write_text(text)


def make_vits(folder: Path) -> Path:
    """Save a VITS."""
    import torch
    from transformers import VitsConfig, VitsModel, VitsTokenizer

    torch.manual_seed(0)
    letters = ["_", *"abcdefghijklmnopqrstuvwxyz '.,!?"]
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = folder / "vocab.json"
    vocabulary.write_text(json.dumps({letter: n for n, letter in enumerate(letters)}))
    tokenizer = VitsTokenizer(
        str(vocabulary),
        pad_token="_",
        unk_token="_",
        normalize=True,
        phonemize=False,
        is_uroman=False,
    )
    config = VitsConfig(
        vocab_size=len(letters),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        window_size=4,
        ffn_dim=16,
        flow_size=16,
        spectrogram_bins=17,
        num_speakers=3,
        speaker_embedding_size=8,
        upsample_initial_channel=16,
        upsample_rates=[4, 4],
        upsample_kernel_sizes=[8, 8],
        resblock_kernel_sizes=[3],
        resblock_dilation_sizes=[[1, 3]],
        depth_separable_num_layers=1,
        prior_encoder_num_flows=1,
        prior_encoder_num_wavenet_layers=1,
        posterior_encoder_num_wavenet_layers=1,
        duration_predictor_num_flows=2,
        duration_predictor_flow_bins=4,
        sampling_rate=16_000,
    )
    VitsModel(config).eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
