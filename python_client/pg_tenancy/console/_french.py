FRENCH = {}
