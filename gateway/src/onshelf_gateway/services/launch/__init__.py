"""LaunchService."""
