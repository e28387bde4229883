"""What watches a sweep while it runs. Optional, never the truth."""
