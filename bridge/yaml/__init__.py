"""YAML files as trees in which every node knows its place, and the problems found in them."""
