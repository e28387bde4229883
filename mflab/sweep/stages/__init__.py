"""What a trial is to the store: its chain of states, what is made and found on the way, and who makes it."""
