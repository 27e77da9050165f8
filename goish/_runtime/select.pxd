# Floor 2. Choosing between channels.
