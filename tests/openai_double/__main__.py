"""The double in a process of its own: its behaviour comes as JSON on the first line, its port goes out on one; it ends with its input."""

import json
import sys

from .behaviour import Behaviour
from .server import Double

if __name__ == "__main__":
    with Double(Behaviour(**json.loads(sys.stdin.readline()))) as double:
        print(double.port, flush=True)  # noqa: T201
        sys.stdin.read()
