"""Words → wordpieces and shapes → windows of bounded length."""
