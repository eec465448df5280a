"""Where the project's own files stand."""

from pathlib import Path

KERNEL_DIR = Path(__file__).resolve().parent.parent
PROJECT = KERNEL_DIR.parent
CONFIG_DIR = KERNEL_DIR / "config"
SERIES_DIR = KERNEL_DIR / "series"
GUEST_DIR = Path(__file__).resolve().parent / "guest_files"
