"""Anthropic's HTTP API over the cluster's deployments: ``/v1/messages``."""
