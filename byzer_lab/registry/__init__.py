"""Keeps what users asked for, and keeps it running."""
