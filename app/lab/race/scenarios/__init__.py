"""What breaks a way to sell, made visible on purpose: failpoints in place of luck."""
