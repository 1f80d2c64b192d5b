"""AtomicTickets: the service, and all code that more than one of its processes needs."""
