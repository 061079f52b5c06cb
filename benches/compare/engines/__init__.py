"""The rivals, one file each, all of one shape: see `worker.py`."""
