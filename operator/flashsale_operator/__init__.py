"""The operator for FlashSale resources: it reconciles each sale with the state that its resource declares."""
