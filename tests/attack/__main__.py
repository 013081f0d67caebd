"""`python -m tests.attack [PART …] [--seed N] [--rounds N]`: run the attacks and print their figures.

Exit status 1 if a promise did not hold.
"""

from __future__ import annotations

import argparse
import sys
import time
from importlib import import_module

PARTS = {
    "disclosure": "tests.attack.disclosure",
    "kills": "tests.attack.kills",
    "files": "tests.attack.files",
    "readers": "tests.attack.readers",
    "canaries": "tests.attack.canaries",
    "ui": "tests.attack.ui",
    "signals": "tests.attack.signals",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.attack", description=__doc__)
    parser.add_argument("part", nargs="*", help=f"one or more of {', '.join(PARTS)}; all when left out")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--rounds", type=int, help="how often each part tries; by default as often as it says"
    )
    asked = parser.parse_args()
    if unknown := [p for p in asked.part if p not in PARTS]:
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    broken = 0
    for part in asked.part or PARTS:
        start = time.perf_counter()
        module = import_module(PARTS[part])
        rounds = asked.rounds or getattr(module, "ROUNDS", 20)
        found = module.attack(asked.seed, rounds)
        print(f"{part}: seed {asked.seed}, {rounds} rounds, {time.perf_counter() - start:.0f} s")
        for name, number in found.numbers.items():
            print(f"  {number:>10,g}  {name}")
        for sentence in found.broken:
            print(f"  NOT HELD  {sentence}")
        broken += len(found.broken)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
