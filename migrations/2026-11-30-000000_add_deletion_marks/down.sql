ALTER TABLE cases DROP COLUMN deletion_until;
