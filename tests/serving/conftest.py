"""The small trained models of the tests of `inference`."""

from inference.conftest import folder_of, loaded

__all__ = ["folder_of", "loaded"]
