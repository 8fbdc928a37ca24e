"""Ways to reach people: contact methods, and one folder per channel."""
