"""The format of a model release: all that those who write one and those who read it must know alike."""
