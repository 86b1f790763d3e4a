"""What is done to images alone: patches, whitening, pooling."""
