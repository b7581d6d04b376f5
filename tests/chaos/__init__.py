"""`make chaos`: long scenarios, each printing its figures with their bars."""
