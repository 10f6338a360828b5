"""How long each recurrent cell remembers: gradients through time, and sequences with a known lag."""
