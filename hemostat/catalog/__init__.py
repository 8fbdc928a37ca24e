"""What there is: environments, services and who owns them."""
