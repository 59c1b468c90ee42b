-- Which one of its order an event is, among those of its type that were told: 2, 3, …; nothing for the first.
ALTER TABLE events ADD COLUMN of_order INTEGER;
