"""Training: what each model learns from, and how; one module per model, one loop for all."""
