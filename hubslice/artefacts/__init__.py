"""What steps exchange: frozen values that are stored as JSON or safetensors."""
