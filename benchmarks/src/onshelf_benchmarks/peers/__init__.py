"""What a user would pick instead to serve the same BERT, measured beside the gateway by one client: see run.py."""
