"""The pages, searches and commands that join rooms: Now, the incident, set-up."""
