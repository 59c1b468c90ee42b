-- So that an event which may tell the same payment is found by value and time among those of ranked webhooks.
CREATE INDEX events_ranked ON events (value, occurred_at) WHERE rank > 0;
-- Events of which a note says that another one tells, or may tell, the same payment: few among all.
CREATE INDEX events_doubted ON events (number) WHERE instr(notes, 'double: ') > 0;
