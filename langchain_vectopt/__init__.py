"""vectopt for LangChain."""
