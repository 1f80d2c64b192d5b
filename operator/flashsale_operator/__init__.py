"""The operator of FlashSale resources: it makes a declared sale true and keeps it so."""
