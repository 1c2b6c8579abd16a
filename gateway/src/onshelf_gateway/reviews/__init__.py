"""What reviews say: sentences, their sentiment, topics."""
