"""What is no id here, though `uuid.UUID` or a careless pattern takes some of it."""

BAD_IDS = (
    "a1b2c3d4e5f67890abcdef1234567890",
    "{a1b2c3d4-e5f6-7890-abcd-ef1234567890}",
    "urn:uuid:a1b2c3d4-e5f6-7890-abcd-ef1234567890",
    " a1b2c3d4-e5f6-7890-abcd-ef1234567890",
    "a1b2c3d4-e5f6-7890-abcd-ef1234567890%0A",
    "a1b2c3d4-e5f6-7890-abcd-ef123456789",
    "a1b2c3d4-e5f6-7890-abcd-ef12345678901",
    "a1b2c3d4-e5f67890-abcd-ef-1234567890",
    "g1b2c3d4-e5f6-7890-abcd-ef1234567890",
    "\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661-e5f6-7890-abcd-ef1234567890",
    "\uff41\uff11b2c3d4-e5f6-7890-abcd-ef1234567890",
    "0xa1b2c3-e5f6-7890-abcd-ef1234567890",
    "..",
    "null",
)
