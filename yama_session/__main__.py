"""``python3 -m yama_session``."""

import sys

from yama_session.cli import main

if __name__ == "__main__":
    sys.exit(main())
