"""Times to an event: curves, tests between groups, restricted means."""
