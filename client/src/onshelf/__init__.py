"""Client of Onshelf."""
