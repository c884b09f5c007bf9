"""From files of rows to tokens and labels: read, check every row, render, mask.

``reading`` and ``formats`` need nothing heavy; ``masking`` needs a tokenizer alone.
"""
