"""``python -m cockpit``, ``cockpit`` and ``mlx-cockpit``."""

from __future__ import annotations

import sys


def main() -> None:
    from cockpit.cli import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
