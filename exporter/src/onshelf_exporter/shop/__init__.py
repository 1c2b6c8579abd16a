"""A shop's own files, from file to model release in one command: `onshelf-exporter shop`."""
