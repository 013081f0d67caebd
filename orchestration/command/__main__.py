"""Where the command `myositis` begins. It imports next to nothing before it listens for signals, so that it
can be stopped while it imports.
"""

from __future__ import annotations

from orchestration.processes import stop_on_signals


def main() -> None:
    stop_on_signals()
    from orchestration.command import cli

    cli.main()


if __name__ == "__main__":
    main()
