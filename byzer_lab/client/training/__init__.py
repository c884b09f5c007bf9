"""Training from Python: jobs are begun, watched, ended and deployed."""
