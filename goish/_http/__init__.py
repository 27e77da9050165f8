"""What ``goish.http`` is made of, in plain Python on the connections of ``goish.net``."""
