"""Pure rules of coordinates: building, classifying, encoding and decoding them."""
