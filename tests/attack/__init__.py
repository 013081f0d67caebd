"""Attacks on what this project promises, repeated from a seed: `python -m tests.attack [PART …] [--seed N]`.

Each part is a module here with `attack(seed, rounds) -> Figures`; the small version of each is a test.
"""
