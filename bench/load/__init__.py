"""Many streams at once for minutes, in container mode: what is held, lost, doubled, and waited."""
