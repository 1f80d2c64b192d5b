"""Every way to sell, one after another, before the same crowd; the ledger is the judge."""
