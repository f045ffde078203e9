"""A simulated Kubernetes cluster for laptops and tests: an API server in memory, no containers.

Started with `python -m dev.sandbox`. It speaks the wire protocol of a real API server for the kinds
that InfraGate knows; nothing it "runs" exists. It is never used in production.
"""
