"""What can be told to the service from outside, and how it is served."""
