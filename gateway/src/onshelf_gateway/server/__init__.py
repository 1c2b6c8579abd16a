"""The server, assembled: processes, protocols, life."""
