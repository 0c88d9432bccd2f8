"""Building blocks of `mano/build_open_hand.py`: MakeHuman's CC0 assets to a hand model."""
