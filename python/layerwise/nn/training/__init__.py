"""The one training loop and what takes part in it, whatever is trained."""
