"""Every family of timm and every image classification type of transformers, through all that hubslice does."""
