"""Which models live, how they come and go, and how their requests are scheduled."""
