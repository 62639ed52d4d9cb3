"""Token vectors → tag scores; gold entities → gold tags; the loss between them."""
