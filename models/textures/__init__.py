"""Textures of refined hands: where texels lie on the surface, and what photos say of them."""
