"""The FlashSale resource: one source for the operator's models and for the CRD that the API server validates with."""
