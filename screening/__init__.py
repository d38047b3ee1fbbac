"""A library through a scorer: plan, partitions, receipts, executors, hits."""
