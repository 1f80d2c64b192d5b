"""Scenarios that break what a strategy relies on. Failpoints make the damage happen every time."""
