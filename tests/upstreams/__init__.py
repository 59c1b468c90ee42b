"""One fake of each platform: it records what it is sent, judges it by the platform's published rules, and answers so."""
