"""What the gateway costs, with nginx as a plain streaming relay as the measure of the same run."""
