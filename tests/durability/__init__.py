"""Durability and concurrency: real processes, real kills, real files."""
