"""What `capacity.py` measures: texts that leave a store and come back, and streams that are larger than their budgets.

Vectors are brought by the caller, so that no embedder is measured. Every figure is of a store in a file, durable, and reached by
its public calls.
"""
