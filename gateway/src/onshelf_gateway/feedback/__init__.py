"""What was offered, decided and done: answers remembered, decisions, events."""
