"""Everything the product knows: relaying, reading, recording and listing of AI traffic."""

__version__ = "0.1.0"
