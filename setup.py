"""The one thing that pyproject.toml cannot say: the cffi module to compile."""

from setuptools import setup

setup(cffi_modules=["yama_session/native/build.py:ffibuilder"])
