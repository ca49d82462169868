"""What the benchmarks claim before they time anything."""
