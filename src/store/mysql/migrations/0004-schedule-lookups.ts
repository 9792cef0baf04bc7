// Schedules that follow others, and those declared in code, are few among many, and every process asks for them.
export const name = "0004-schedule-lookups";

export const sql: string = `
SET @makegood_sql = IF(
  (SELECT COUNT(*) FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = 'makegood_schedule' AND column_name = 'follows') > 0,
  'DO 0',
  'ALTER TABLE makegood_schedule ADD COLUMN follows TINYINT NOT NULL DEFAULT 0, ADD KEY schedule_follows (follows, namespace), ADD KEY schedule_source (source, namespace, id)');
PREPARE makegood_statement FROM @makegood_sql;
EXECUTE makegood_statement;
DEALLOCATE PREPARE makegood_statement;
`;
