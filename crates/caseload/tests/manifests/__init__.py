"""Checks the manifests of deploy/kubernetes against the schemas of their kinds."""
