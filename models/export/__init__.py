"""What leaves the suite: hands in other poses."""
