"""What a served model must beat: statistics, trees, neighbours, linear autoencoders and the tutorials' models."""
