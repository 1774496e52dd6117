-- How a record ended that had been closed as abandoned: an object, counted nowhere.
ALTER TABLE interception ADD COLUMN late TEXT;
