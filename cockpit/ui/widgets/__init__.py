"""What the screens are made of. A widget draws values it is given and reads no file."""
