"""What user code and every face call. No Ray here: HTTP to the gateway and to the workers."""
