"""The `vectopt` command."""
