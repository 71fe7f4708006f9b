"""How much faster networks get when channels are taken out."""
