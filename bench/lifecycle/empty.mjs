// What nothing costs, to hold the others against.
