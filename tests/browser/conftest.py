"""The run of the shipped registry that the tests of the pipeline share."""

from tests.pipeline.conftest import shipped_folder, shipped_run

__all__ = ["shipped_folder", "shipped_run"]
