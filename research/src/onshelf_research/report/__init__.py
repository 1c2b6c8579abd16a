"""What is shown of it: tables, plots, sentences."""
