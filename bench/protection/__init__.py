"""How well an attacker does who retrains a network of which the most decisive weights were withheld."""
