"""The public calls, by subject. `manager.VectorManager` is all of them together."""
