"""AtomicTickets: the service, and everything that more than one of its processes needs."""
