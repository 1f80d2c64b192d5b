"""The FlashSale resource: one source for what the operator reads and for what the API server refuses."""
