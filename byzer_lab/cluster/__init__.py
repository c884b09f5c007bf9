"""Find the user's Byzer Lab, or start one on this machine."""
