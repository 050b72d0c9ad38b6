"""What people look at. Nothing else in the package imports matplotlib."""
