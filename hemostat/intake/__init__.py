"""The door: everything that says something is wrong comes in here, and is durable before it is answered."""
