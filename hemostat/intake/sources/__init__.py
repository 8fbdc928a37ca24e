"""One pure parser per protocol: bytes in, readings and what was refused out."""
