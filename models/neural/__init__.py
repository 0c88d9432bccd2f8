"""The neural renderer: a mesh's shading, and what photos show beyond it."""
