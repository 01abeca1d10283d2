"""The chat service in our words: a message is sent, or not sent, or nobody knows."""
