"""The load generator: real HTTP purchases over kept-alive connections, in a process of its own."""
