"""Paging: from an incident to a person who has answered. Nothing here is ever silently dropped."""
