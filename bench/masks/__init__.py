"""What an epoch of a mask search costs beside one of fine-tuning."""
