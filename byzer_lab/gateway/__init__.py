"""The cluster's front door: HTTP for every face."""
