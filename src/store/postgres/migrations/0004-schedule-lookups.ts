// Schedules that follow others, and those declared in code, are few among many, and every process asks for them.
export const name = "0004-schedule-lookups";

export const sql: string = `
ALTER TABLE makegood.schedule ADD COLUMN follows boolean NOT NULL DEFAULT false;
CREATE INDEX schedule_follows ON makegood.schedule (namespace) WHERE follows;
CREATE INDEX schedule_code ON makegood.schedule (namespace, id) WHERE source = 'code';
`;
