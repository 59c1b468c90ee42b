"""The web console below `/ui`: who may look and change, and its pages. Nothing imports them where it is off."""
