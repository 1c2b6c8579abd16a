"""The command line `onshelf`."""
