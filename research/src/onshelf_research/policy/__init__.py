"""Practice, effects and policies: what was done, what it did, and what would have been better."""
