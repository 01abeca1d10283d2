"""The chat service; a send ends in one of three outcomes: sent, not sent or unknown."""
