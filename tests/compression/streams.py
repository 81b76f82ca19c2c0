"""Streams of texts that are hard to cluster."""

from __future__ import annotations

import random


def perturbed(seed: int, count: int, *, vocabulary: int, words: tuple[int, int], repeat: float) -> list[str]:
    """Texts of words, frequent ones first, of which some are earlier ones with up to three words changed."""
    rng = random.Random(seed)

    def word() -> str:
        return f"w{int(vocabulary * rng.random() ** 3)}"

    texts: list[str] = []
    while len(texts) < count:
        if not texts or rng.random() >= repeat:
            texts.append(" ".join(word() for _ in range(rng.randint(*words))))
            continue
        changed = rng.choice(texts).split()
        for _ in range(rng.choice([0, 1, 1, 2, 3])):
            at = rng.randrange(len(changed) + 1)
            changed[at : at + rng.choice([0, 1])] = rng.choice([[], [word()]])
        texts.append(" ".join(changed))
    return texts


def adversarial() -> dict[str, list[str]]:
    """Streams made to be slow or wrong."""
    rng = random.Random(5)
    small = [f"w{i}" for i in range(200)]
    words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda"]
    return {
        "identical": ["the same text again and again"] * 1000,
        "a template and one number": [f"user session opened for client number x{i} at the front gate today" for i in range(1000)],
        "a template and four numbers": [f"took {i} of {i * 7} at {i * 13} from {i * 17} into the hall" for i in range(1000)],
        "nothing": ["", " ", "  \n", "\t"] * 50,
        "one giant word": ["x" * (1000 + i % 7) + str(i) for i in range(300)],
        "one word or none": [rng.choice(["", "a", "b", " a", "a ", "A"]) for _ in range(300)],
        "a tiny vocabulary, short": [" ".join(rng.choice(words) for _ in range(12)) for _ in range(700)],
        "a tiny vocabulary, long": [" ".join(rng.choice(small) for _ in range(40)) for _ in range(700)],
        "sixty of sixty": [" ".join(rng.choice(small[:60]) for _ in range(60)) for _ in range(500)],
        "huge": [" ".join(rng.choice(small) + str(rng.randrange(40)) for _ in range(3000)) for _ in range(25)],
        "on the threshold": [" ".join(f"v{j}" for j in range(i % 4, 11 + i % 7)) for i in range(400)],
        "lengths that differ": ["word " * (i % 3 + 1) + " " * (i % 40) + "end" for i in range(300)],
    }
