"""What the Function URL and the sandboxes are made of."""
