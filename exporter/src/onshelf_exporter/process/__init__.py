"""What every stage needs of its process: errors, progress, locks, memory, threads, hashes of its code."""
