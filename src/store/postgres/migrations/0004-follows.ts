// Schedules that follow others are few among many, and every process asks for them.
export const name = "0004-follows";

export const sql: string = `
ALTER TABLE makegood.schedule ADD COLUMN follows boolean NOT NULL DEFAULT false;
CREATE INDEX schedule_follows ON makegood.schedule (namespace) WHERE follows;
`;
