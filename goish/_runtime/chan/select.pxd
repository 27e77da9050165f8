# Choosing between channels.
