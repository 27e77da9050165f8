"""Servers beside one another: what a request costs the server, measured from outside by a client of its own."""
