"""What people ask of a store and change in it by hand."""
