"""What makes the bundled demonstration model: data, tokenizer, training, gates, export."""
