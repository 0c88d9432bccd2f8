"""What a surface looks like: albedo, light, highlights, visibility, and mesh shading by them."""
