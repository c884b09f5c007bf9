"""What lets programs that were written for others run here."""
