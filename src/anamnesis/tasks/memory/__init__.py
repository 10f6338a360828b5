"""How long each recurrent cell remembers: gradients through time, and tasks whose lag is known."""
