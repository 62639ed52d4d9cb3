"""What the tests share: small data, models, servers and oracles."""
