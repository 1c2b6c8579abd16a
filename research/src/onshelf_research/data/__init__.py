"""What is measured on: a prepared dataset with its splits, and kept intermediate results."""
