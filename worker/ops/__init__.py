"""What an operator runs where a worker runs: `python -m worker.ops COMMAND`, see `__main__`."""
