"""The services of the shop: gateway → checkout → orders and payment; orders → its store."""
