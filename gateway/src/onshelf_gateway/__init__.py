"""The gRPC gateway of Onshelf."""
