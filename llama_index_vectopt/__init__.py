"""vectopt for LlamaIndex."""
