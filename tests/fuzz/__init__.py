"""`make fuzz`: hostile input of every kind against a real server; each kind prints its figures with their bars."""
