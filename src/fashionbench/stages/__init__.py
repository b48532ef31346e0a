"""What DVC runs: each stage parses, loads, calls and writes, and computes nothing itself."""
