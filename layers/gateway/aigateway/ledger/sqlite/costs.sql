-- Millionths of a US dollar. NULL: nothing in it has a price.
ALTER TABLE interception ADD COLUMN cost_micros INTEGER;
ALTER TABLE session ADD COLUMN cost_micros INTEGER;
