"""The race: all strategies sell to the same crowd, one after another, and each run is judged by its bookings."""
