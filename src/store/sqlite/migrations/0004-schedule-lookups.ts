// Schedules that follow others, and those declared in code, are few among many, and every process asks for them.
export const name = "0004-schedule-lookups";

export const sql: string = `
ALTER TABLE makegood_schedule ADD COLUMN follows INTEGER NOT NULL DEFAULT 0;
CREATE INDEX makegood_schedule_follows ON makegood_schedule (namespace) WHERE follows = 1;
CREATE INDEX makegood_schedule_code ON makegood_schedule (namespace, id) WHERE source = 'code';
`;
