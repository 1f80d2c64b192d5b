"""The load generator, which sends real HTTP purchases over keep-alive connections, usually from its own process."""
