"""OpenAI's HTTP API over the cluster's deployments: one file per group of endpoints."""
