"""The whole house: settings, urls, the flow of events, processes, and the `hemostat` command."""
