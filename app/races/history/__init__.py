"""Histories of a race, one JSON object a line, and the checker that finds anomalies in them.

The format: docs/history.md.
"""
