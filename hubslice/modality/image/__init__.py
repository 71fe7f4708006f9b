"""Images: reading, and the preparation that the stock library prescribes."""
