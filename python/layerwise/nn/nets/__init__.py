"""Feed-forward nets: layers, losses, steps by back-propagation."""
