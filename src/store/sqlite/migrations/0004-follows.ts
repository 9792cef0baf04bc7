// Schedules that follow others are few among many, and every process asks for them.
export const name = "0004-follows";

export const sql: string = `
ALTER TABLE makegood_schedule ADD COLUMN follows INTEGER NOT NULL DEFAULT 0;
CREATE INDEX makegood_schedule_follows ON makegood_schedule (namespace) WHERE follows = 1;
`;
