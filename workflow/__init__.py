"""Hundreds of scans through all stages, by Snakemake: on one machine or on a cluster."""
