"""`hubslice detect`: a detector of adversarial inputs, fitted to clean ones only."""
