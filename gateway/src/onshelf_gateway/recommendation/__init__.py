"""Users' histories, audiences and their segments."""
