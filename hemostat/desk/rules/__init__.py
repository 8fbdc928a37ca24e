"""Pure rules of the desk: what a page says, decided from facts that the queries gathered."""
