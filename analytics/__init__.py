"""Statistics of the registry: pure functions from data frames to estimates. See README.md."""
