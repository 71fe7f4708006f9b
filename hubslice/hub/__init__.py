"""The Hub: resolve model names, fetch models, and push students."""
