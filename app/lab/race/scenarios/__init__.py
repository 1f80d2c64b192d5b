"""What breaks a way to sell, made visible on purpose: barriers at named points in place of luck."""
