"""Questions that join rooms: what a page needs, gathered in few queries. Read only."""
