"""The loops that work on what is kept: translate, deliver, delete what is old enough."""
