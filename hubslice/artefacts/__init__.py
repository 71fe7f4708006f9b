"""Data exchanged between steps: frozen objects stored as JSON or safetensors."""
