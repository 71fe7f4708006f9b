"""What an input is: how it is read, prepared and changed."""
