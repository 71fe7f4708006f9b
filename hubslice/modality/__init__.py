"""Model inputs by kind: reading, preparation and augmentation."""
