"""What the store keeps, for whom, and what goes when there is too much of it."""
