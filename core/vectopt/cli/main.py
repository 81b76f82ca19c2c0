"""The entry point. It imports nothing of the `cli` extra before it knows that it is there."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the `vectopt` command; return its exit code."""
    try:
        from .app import app
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in ("typer", "rich", "click"):
            raise
        sys.stderr.write("The vectopt command needs typer and rich: run `pip install 'vectopt[cli]'`\n")
        return 1
    app()
    return 0


if __name__ == "__main__":
    sys.exit(main())
