"""A BERT in a GGUF file, as a converter would write it."""

from __future__ import annotations

import json
from pathlib import Path

_LAYER = {
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}
_EMBEDDINGS = {
    "word_embeddings.weight": "token_embd.weight",
    "position_embeddings.weight": "position_embd.weight",
    "token_type_embeddings.weight": "token_types.weight",
    "LayerNorm.weight": "token_embd_norm.weight",
    "LayerNorm.bias": "token_embd_norm.bias",
}


def write_bert_gguf(folder: Path, file: Path, pooling: int) -> Path:
    """Write a saved BERT as GGUF.

    Args:
        folder: The model, as transformers saves it.
        file: Where to write it.
        pooling: The library's number of the way to pool: 1 mean, 2 the first token.
    """
    import gguf
    from transformers import AutoTokenizer, BertModel

    model = BertModel.from_pretrained(folder, add_pooling_layer=False)
    config = model.config
    writer = gguf.GGUFWriter(str(file), "bert")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(config.num_attention_heads)
    writer.add_layer_norm_eps(config.layer_norm_eps)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType(pooling))

    words = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    pieces = sorted(words, key=words.__getitem__)
    special = set(tokenizer.all_special_tokens)
    # Pieces that begin a word carry a mark here, those that go on one do there.
    writer.add_tokenizer_model("bert")
    writer.add_token_list(
        [
            piece if piece in special else piece[2:] if piece[:2] == "##" else f"\u2581{piece}"
            for piece in pieces
        ]
    )
    kinds = (gguf.TokenType.NORMAL, gguf.TokenType.CONTROL)
    writer.add_token_types([kinds[piece in special] for piece in pieces])
    writer.add_token_type_count(config.type_vocab_size)
    writer.add_bos_token_id(tokenizer.cls_token_id)
    writer.add_eos_token_id(tokenizer.sep_token_id)
    writer.add_sep_token_id(tokenizer.sep_token_id)
    writer.add_unk_token_id(tokenizer.unk_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)

    names = {f"embeddings.{old}": new for old, new in _EMBEDDINGS.items()}
    for layer in range(config.num_hidden_layers):
        for old, new in _LAYER.items():
            for part in ("weight", "bias"):
                names[f"encoder.layer.{layer}.{old}.{part}"] = f"blk.{layer}.{new}.{part}"
    weights = model.state_dict()
    for old, new in names.items():
        writer.add_tensor(new, weights[old].float().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file
